"""Where the time of a turn went."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.call.observer import (
    CallerStopped,
    Observed,
    ReplyOver,
    UtteranceHeard,
)
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.speech.speaker import ClauseReady, TextStarted
from avr_sts_speechmatics.telemetry.turn_times import TurnTimes, TurnTimesObserver


def test_each_wait_is_reported_in_milliseconds() -> None:
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


def test_a_wait_that_did_not_happen_is_none() -> None:
    told = TurnTimes(1.0, confirmed=1.0).as_dict()
    assert told["voice_to_voice_ms"] is told["model_ms"] is told["voice_ms"] is None


def of_answer(*happened: tuple[float, Observed | ev.Command]) -> list[TurnTimes]:
    """What the observer hands out after these events and commands, each with its time."""
    finished: list[TurnTimes] = []
    observer = TurnTimesObserver(finished.append)
    for at, what in happened:
        if isinstance(what, get_args(ev.Command)):
            observer.command(at, what)
        else:
            observer.event(at, what)  # type: ignore[arg-type]
    return finished


ANSWER = ev.StartReply(1, ())
SAID = ev.SentenceReady(1, 1, "At five.")


def test_an_answer_is_measured_from_the_callers_last_sound_to_its_first_frame() -> None:
    (times,) = of_answer(
        (10.2, CallerStopped(10.0)),
        (10.4, ev.StartReply(1, (), tentative=True)),
        (10.65, ev.ConfirmReply(1)),
        (10.9, TextStarted(1)),
        (10.911, SAID),
        (10.912, ClauseReady(1)),
        (11.1, ev.VoiceStarted(1)),
        (12.0, UtteranceHeard(1, 11.105, 1.0)),
        (12.1, ReplyOver(1, cancelled=False)),
    )
    assert times == TurnTimes(
        asked=10.4,
        stopped=10.0,
        confirmed=10.65,
        first_token=10.9,
        first_clause=10.912,
        first_audio=11.1,
        first_frame=11.105,
        requests=1,
        words_said=2,
        words_heard=2,
    )


def test_an_answer_that_was_stopped_was_interrupted_unless_it_was_heard_to_its_end() -> None:
    said = (0.0, ANSWER), (1.0, SAID)
    over = (3.0, ReplyOver(1, cancelled=True))
    (cut,) = of_answer(*said, (2.0, UtteranceHeard(1, 1.5, 0.5)), over)
    (farewell,) = of_answer(*said, (2.0, UtteranceHeard(1, 1.5, 1.0)), over)
    (silent,) = of_answer((0.0, ANSWER), over)
    assert (cut.words_heard, cut.interrupted) == (1, True)
    assert (farewell.words_heard, farewell.interrupted) == (2, False)
    assert silent.interrupted is True


def test_requests_that_came_to_nothing_count_for_the_next_answer_and_only_for_it() -> None:
    first, second = of_answer(
        (0.0, ev.StartReply(1, (), tentative=True)),
        (0.1, ReplyOver(1, cancelled=True)),
        (0.2, ev.StartReply(2, (), tentative=True)),
        (0.3, ReplyOver(2, cancelled=True)),
        (1.0, ev.StartReply(3, ())),
        (1.1, ev.ContinueReply(3, ())),
        (1.2, ReplyOver(3, cancelled=False)),
        (2.0, ev.StartReply(4, None)),  # a tool still ran
        (2.1, ev.ContinueReply(4, ())),
        (2.2, ReplyOver(4, cancelled=False)),
    )
    assert (first.requests, second.requests) == (4, 1)


def test_the_callers_last_sound_belongs_to_one_answer() -> None:
    first, second = of_answer(
        (0.0, CallerStopped(-0.5)),
        (0.1, ANSWER),
        (1.0, ReplyOver(1, cancelled=False)),
        (2.0, ev.StartReply(2, ())),
        (3.0, ReplyOver(2, cancelled=False)),
    )
    assert (first.stopped, second.stopped) == (-0.5, None)


def test_a_filler_has_words_and_a_frame_but_is_no_voice_of_the_answer() -> None:
    (times,) = of_answer(
        (0.0, ANSWER),
        (2.0, ev.Fill(1, "One moment.")),
        (2.1, ev.SentenceReady(1, 1, "One moment.")),
        (2.2, ev.VoiceStarted(1, filler=True)),
        (3.0, UtteranceHeard(1, 2.3, 1.0)),
        (4.0, ReplyOver(1, cancelled=False)),
    )
    assert (times.first_clause, times.first_audio, times.first_frame) == (None, None, 2.3)
    assert times.words_said == times.words_heard == 2


def test_fixed_texts_and_unknown_numbers_are_not_measured() -> None:
    assert not of_answer(
        (0.0, ev.Say(1, "Good morning.")),
        (0.1, TextStarted(1)),
        (0.1, ev.SentenceReady(1, 1, "Good morning.")),
        (0.1, ClauseReady(1)),
        (0.2, ev.VoiceStarted(1)),
        (1.0, UtteranceHeard(1, 0.2, 1.0)),
        (1.1, ReplyOver(1, cancelled=False)),
        (2.0, ev.ConfirmReply(7)),
        (2.0, ev.ContinueReply(7, ())),
        (2.1, UtteranceHeard(7, 2.0, 1.0)),
    )


@given(calls=st.lists(st.sampled_from(["token", "clause", "audio"]), max_size=20))
def test_only_the_first_of_each_counts(calls: list[str]) -> None:
    events: dict[str, Observed] = {
        "token": TextStarted(1),
        "clause": ClauseReady(1),
        "audio": ev.VoiceStarted(1),
    }
    happened: list[tuple[float, Observed]] = [
        (float(at), events[name]) for at, name in enumerate(calls, start=1)
    ]
    (times,) = of_answer((0.0, ANSWER), *happened, (99.0, ReplyOver(1, cancelled=False)))
    for name in events:
        first = calls.index(name) + 1.0 if name in calls else None
        assert getattr(times, f"first_{name}") == first
