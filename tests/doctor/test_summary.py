"""The summary tells a person what was found, and what to do."""

import pytest

from avr_sts_speechmatics.doctor.check import Check, State
from avr_sts_speechmatics.doctor.summary import summary


def test_the_summary_is_a_line_for_each_check_then_what_to_do() -> None:
    checks = [
        Check("settings", "ok", "every value can be used"),
        Check("second tts", "ok", "speaks", latency_ms=97),
        Check("agents", "failed", "a.yaml:1: no\nb.yaml:2: no", "Correct it."),
    ]
    lines = summary(checks).splitlines()
    assert lines[0].split() == ["ok", "settings", *"every value can be used".split()]
    assert "97 ms" in lines[1]
    assert lines[2].startswith("failed")
    assert lines[3].index("b.yaml") == lines[2].index("a.yaml")
    assert lines[1].index("speaks") == lines[2].index("a.yaml")
    assert lines[5:] == ["What to do:", "  agents: Correct it.", "", "1 of 3 checks failed."]


@pytest.mark.parametrize("state", ["ok", "warning", "skipped"])
def test_calls_can_be_taken_where_nothing_failed(state: State) -> None:
    text = summary([Check("pbx", state, "is as it is"), Check("stt", "ok", "listens")])
    assert text.endswith("\n\nCalls can be taken.")
    assert "What to do" not in text


def test_the_same_advice_is_given_once() -> None:
    checks = [Check("tts", "failed", voice, "Check the network.") for voice in ("sarah", "theo")]
    text = summary(checks)
    assert text.count("tts: Check the network.") == 1
    assert "sarah" in text
    assert "theo" in text
    assert text.endswith("2 of 2 checks failed.")
