"""The table of figures can be read."""

from tests.asterisk.report import Report


def test_figures_of_one_kind_stand_below_each_other() -> None:
    report = Report()
    report.add("pace", "AudioSocket()", per_second=50.0, lost=0)
    report.add("barge-in", "WebSocket", silent_ms=81.25)
    report.add("pace", "WebSocket", per_second=49.98, jumps=1)
    assert report.lines() == [
        "pace",
        "                 per_second  lost  jumps",
        "  AudioSocket()          50     0      -",
        "  WebSocket           49.98     -      1",
        "",
        "barge-in",
        "             silent_ms",
        "  WebSocket      81.25",
        "",
    ]
