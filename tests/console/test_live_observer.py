"""The picture that an observer keeps of its call, from the reports of the call."""

from typing import Any

import pytest

from avr_sts_speechmatics.call.observer import (
    AgentAnswered,
    CallBegan,
    CallEnded,
    Flushed,
    KeyReceived,
    Observers,
    ToolRan,
)
from avr_sts_speechmatics.console.live_calls import LiveCalls, Reader
from avr_sts_speechmatics.console.live_observer import NAME_MAX, TEXT_MAX, LiveObserver
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.speech.speaker import ServiceFailed

CALLER = Caller("uuid", "audiosocket", {"from": "100", "to": "200", "name": "Ann"})


class Watched:
    """A call whose reports a test makes."""

    def __init__(self, history: str = "transcripts", caller: Caller = CALLER) -> None:
        self.live = LiveCalls(history)
        self.published: list[tuple[str, Any]] = []
        self.live.publish = lambda kind, data: self.published.append((kind, data))  # type: ignore[method-assign]
        self.live.listened = True
        self.observer = LiveObserver(self.live, caller, lambda ended: {"reason": ended.reason})
        self.reports = Observers([self.observer])
        self.reports.event(CallBegan(caller, "first"))

    @property
    def state(self) -> str:
        state: str = self.observer.shown()["state"]
        return state

    def told(self, kind: str) -> list[Any]:
        return [data for one, data in self.published if one == kind]


def speaking() -> Watched:
    call = Watched()
    call.reports.event(AgentAnswered("second", Manners()))
    call.reports.command(ev.StartReply(1, ()))
    call.reports.event(ev.VoiceStarted(1))
    return call


def test_the_turn_goes_from_state_to_state() -> None:
    call = Watched()
    assert call.state == "arriving"
    call.reports.event(AgentAnswered("second", Manners()))
    assert call.state == "listening"
    call.reports.command(ev.StartReply(1, (), tentative=True))
    assert call.state == "listening", "nobody knows yet whether the turn is over"
    call.reports.command(ev.ConfirmReply(1))
    assert call.state == "thinking"
    call.reports.event(ev.VoiceStarted(1))
    assert call.state == "speaking"
    call.reports.command(ev.Pause())
    assert call.state == "interrupted"
    call.reports.command(ev.Resume())
    assert call.state == "speaking"
    call.reports.event(ev.ReplyEnded(1))
    assert call.state == "listening"
    call.reports.command(ev.EndCall())
    assert call.state == "leaving"
    call.reports.close(CallEnded("agent"))
    assert [data["state"] for data in call.told("state")] == [
        *("listening", "thinking", "speaking", "interrupted", "speaking", "listening", "leaving")
    ]
    assert call.told("ended") == [{"key": CALLER.key, "uuid": "uuid", "reason": "agent"}]
    assert call.told("state")[0]["agent"] == "second"


def test_an_interruption_is_told_and_the_caller_has_the_floor() -> None:
    call = speaking()
    call.reports.event(Flushed((ev.UtteranceDropped(1, 0.4),)))
    assert call.state == "interrupted"
    call.reports.command(ev.CancelReply(1))
    assert call.state == "listening"


def test_news_of_another_reply_changes_nothing() -> None:
    call = speaking()
    call.reports.command(ev.CancelReply(7))
    call.reports.event(ev.ReplyEnded(7))
    call.reports.event(Flushed((ev.UtteranceDropped(1, 1.0),)))
    assert call.state == "speaking"


def test_words_are_shown_from_transcripts_on() -> None:
    call = speaking()
    call.reports.event(ev.WordsHeard("When do", 1.0))
    call.reports.command(ev.SendTranscript("user", "When do you close?"))
    call.reports.event(ev.SentenceReady(1, 1, "At five."))
    call.reports.command(ev.SendTranscript("agent", "At"))
    assert [(one["speaker"], one["text"], one["final"]) for one in call.told("words")] == [
        ("caller", "When do", False),
        ("caller", "When do you close?", True),
        ("agent", "At five.", False),
        ("agent", "At", True),
    ]
    assert call.observer.shown()["agent_says"] == {"text": "At", "final": True}


def test_below_transcripts_no_word_is_kept() -> None:
    call = Watched("calls")
    call.reports.event(ev.WordsHeard("My PIN is", 1.0))
    call.reports.command(ev.SendTranscript("user", "My PIN is"))
    call.reports.event(ev.SentenceReady(1, 1, "Thanks."))
    call.reports.event(KeyReceived("7"))
    assert call.told("words") == []
    assert call.told("key")[0]["digit"] is None
    shown = call.observer.shown()
    assert (shown["caller_says"], shown["agent_says"]) == (None, None)
    assert shown["caller_number"] == "100"


def test_tools_keys_and_failures_are_told() -> None:
    call = speaking()
    call.reports.event(KeyReceived("7"))
    call.reports.event(ToolRan("look_up", 0.25, False))
    call.reports.event(ServiceFailed("llm", "503"))
    assert call.told("key")[0]["digit"] == "7"
    (tool,) = call.told("tool")
    assert (tool["name"], tool["took_ms"], tool["failed"]) == ("look_up", 250, False)
    (failure,) = call.told("failure")
    assert (failure["service"], failure["error"]) == ("llm", "503")


def test_what_a_caller_chooses_is_bounded() -> None:
    call = Watched(caller=Caller("u" * 999, "post", {"from": "1" * 999, "to": ""}))
    call.reports.event(ev.WordsHeard("x" * 9999, 1.0))
    shown = call.observer.shown()
    assert len(shown["uuid"]) == len(shown["caller_number"]) == NAME_MAX
    assert shown["called_number"] is None
    assert len(shown["caller_says"]["text"]) == len(call.told("words")[0]["text"]) == TEXT_MAX


@pytest.mark.parametrize("listened", [True, False])
async def test_the_picture_is_kept_whether_or_not_anybody_reads(listened: bool) -> None:
    live = LiveCalls("transcripts")
    if listened:
        await live.add(Reader(lambda: None))
    observer = LiveObserver(live, CALLER, lambda ended: {})
    reports = Observers([observer])
    reports.event(CallBegan(CALLER, "first"))
    reports.command(ev.Say(1, "Good morning."))
    reports.event(ev.VoiceStarted(1))
    reports.command(ev.SendTranscript("user", "Hello?"))
    (shown,) = live.own()
    assert (shown["state"], shown["caller_says"]["text"]) == ("speaking", "Hello?")
    reports.close()
    assert live.own() == []
