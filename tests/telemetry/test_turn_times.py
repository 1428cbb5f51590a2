"""Where the time of a turn went."""

from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.telemetry.turn_times import TurnTimes


def test_each_wait_is_told_in_milliseconds() -> None:
    times = TurnTimes(
        asked=10.4,
        stopped=10.0,
        confirmed=10.65,
        first_token=10.9,
        first_clause=10.912,
        first_audio=11.1,
        first_frame=11.105,
        requests=2,
        words_said=7,
        words_heard=5,
        interrupted=True,
    )
    assert times.as_dict() == {
        "voice_to_voice_ms": 1105,
        "confirm_ms": 650,
        "ahead_ms": 250,
        "model_ms": 250,
        "clause_ms": 12,
        "voice_ms": 188,
        "frame_ms": 5,
        "requests": 2,
        "interrupted": True,
        "words_said": 7,
        "words_heard": 5,
    }


def test_what_did_not_happen_is_none_and_not_a_number() -> None:
    told = TurnTimes(1.0, confirmed=1.0).as_dict()
    assert told["voice_to_voice_ms"] is told["model_ms"] is told["voice_ms"] is None


@given(calls=st.lists(st.sampled_from(["token", "clause", "audio"]), max_size=20))
def test_only_the_first_of_each_counts(calls: list[str]) -> None:
    times = TurnTimes(0.0)
    first: dict[str, float | None] = {}
    for name in calls:
        getattr(times, name)()
        first.setdefault(name, getattr(times, f"first_{name}"))
    for name, at in first.items():
        assert getattr(times, f"first_{name}") == at
