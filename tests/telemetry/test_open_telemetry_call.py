"""The spans of one call, from reports in any order. Whole calls: test_calls_as_traces.py."""

from collections.abc import Sequence
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st
from tests.telemetry.test_call_trace import made

from avr_sts_speechmatics.call.observer import (
    AgentAnswered,
    CallBegan,
    CallEnded,
    CallerStopped,
    KeyReceived,
    Observation,
    Observed,
    ReplyOver,
    TokensUsed,
    UtteranceHeard,
)
from avr_sts_speechmatics.conversation import Message, ToolCall
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.network.trace_context import TraceContext
from avr_sts_speechmatics.speech.speaker import (
    AudioStarted,
    ClauseReady,
    ServiceFailed,
    TextStarted,
)
from avr_sts_speechmatics.telemetry.open_telemetry_call import DROPPED_MAX, CallSpans
from avr_sts_speechmatics.telemetry.open_telemetry_reply import Model
from avr_sts_speechmatics.telemetry.open_telemetry_span import Span
from avr_sts_speechmatics.telemetry.turn_times import TurnTimesObserver

CALLER = Caller("a-uuid", "test", {"from": "+49301234567"})
HISTORY = (Message("user", "My code is KX41."),)
TOOL = ev.ToolRequest(ToolCall("id-1", "find_booking", '{"code": "KX41"}'))

Report = tuple[float, Observed | ev.Command]


def spans_of(reports: Sequence[Report], *, words: bool = False) -> list[Span]:
    """What a call with these reports sends, between its first and its last report."""
    sent: list[Span] = []
    context = TraceContext(CALLER.key, "00000000000000aa", 1)
    spans = CallSpans(
        CALLER,
        context,
        sent.append,
        summary=lambda ended: {"reason": ended.reason, "transferred_to": "700", "cost": None},
        words=words,
        model_of=lambda agent: Model("m", "openai", "host", 443),
        masked=lambda text: text.replace("key", "***"),
    )
    times = TurnTimesObserver(spans.turn)  # as in a call
    spans.event(0.0, CallBegan(CALLER, "default"))
    spans.event(0.1, AgentAnswered("default", Manners()))
    at = 0.1
    for at, report in reports:
        if isinstance(report, get_args(ev.Command)):
            times.command(at, report)
            spans.command(at, report)
        else:
            times.event(at, report)  # type: ignore[arg-type]
            spans.event(at, report)  # type: ignore[arg-type]
    spans.event(at + 1, CallEnded())
    return sent


def named(spans: Sequence[Span], name: str) -> list[Span]:
    return [span for span in spans if span.name == name]


def one(spans: Sequence[Span], name: str) -> Span:
    (span,) = named(spans, name)
    return span


observed = st.one_of(*map(made, {*get_args(ev.Event), *get_args(Observation)} - {CallEnded}))
commands = st.one_of(*map(made, get_args(ev.Command)))


@given(
    reports=st.lists(st.tuples(st.floats(0, 2), observed | commands), max_size=40),
    words=st.booleans(),
)
def test_reports_in_any_order_make_a_tree(
    reports: list[tuple[float, Observed | ev.Command]], words: bool
) -> None:
    at, timed = 0.2, []
    for later, report in reports:
        at += later
        timed.append((at, report))
    sent = spans_of(timed, words=words)
    call = sent[-1]
    assert call.name == "call"
    ids = [span.context.span_id for span in sent]
    assert len(set(ids)) == len(ids)
    assert {span.context.trace_id for span in sent} == {CALLER.key}
    assert {span.parent_id for span in sent[:-1]} <= set(ids)
    assert all(span.began <= span.ended for span in sent)


def test_a_turn_has_the_times_of_its_reports() -> None:
    sent = spans_of(
        [
            (1.0, ev.CallerSpeechStarted()),
            (1.5, ev.WordsHeard("hello", 1.5)),
            (2.0, CallerStopped(1.9)),
            (2.1, ev.StartReply(1, HISTORY, tentative=True)),
            (2.5, ev.ConfirmReply(1)),
            (2.8, TextStarted(1)),
            (3.0, ev.SentenceReady(1, 7, "We open at nine.")),
            (3.0, ClauseReady(1)),
            (3.2, TokensUsed(1, 100, 60, 20)),
            (3.3, AudioStarted(7, kept=False)),
            (3.3, ev.VoiceStarted(1)),
            (5.0, UtteranceHeard(7, 3.4, 1.0)),
            (5.1, ReplyOver(1, cancelled=False)),
        ]
    )
    turn = one(sent, "turn")
    assert (turn.began, turn.ended) == (1.0, 5.1)
    assert turn.attributes["avr.turn.voice_to_voice_ms"] == 1500
    hearing, wait = one(sent, "hearing"), one(sent, "end of turn")
    assert (hearing.began, hearing.ended) == (1.0, 2.5)
    assert (wait.began, wait.ended) == (1.9, 2.5)
    assert wait.parent_id == hearing.context.span_id
    chat = one(sent, "chat m")
    assert (chat.began, chat.ended) == (2.1, 3.2)
    assert chat.attributes["avr.request.ahead_ms"] == 400
    assert chat.attributes["gen_ai.usage.input_tokens"] == 100
    assert chat.attributes["gen_ai.usage.cache_read.input_tokens"] == 60
    assert chat.attributes["gen_ai.usage.output_tokens"] == 20
    assert chat.attributes["gen_ai.response.time_to_first_chunk"] == 0.7
    voice, playout = one(sent, "voice"), one(sent, "playout")
    assert (voice.began, voice.ended) == (3.0, 3.3)
    assert (playout.began, playout.ended) == (3.4, 5.0)
    assert {span.parent_id for span in (hearing, chat, voice, playout)} == {turn.context.span_id}


def test_text_that_waited_for_the_end_of_the_turn_says_nothing_about_the_model() -> None:
    sent = spans_of(
        [
            (2.0, ev.StartReply(1, HISTORY, tentative=True)),
            (4.0, ev.ConfirmReply(1)),
            (4.0, TextStarted(1)),
            (5.0, ReplyOver(1, cancelled=True)),
        ]
    )
    assert "gen_ai.response.time_to_first_chunk" not in one(sent, "chat m").attributes


def test_a_cough_long_before_the_turn_is_not_part_of_it() -> None:
    sent = spans_of(
        [
            (1.0, ev.CallerSpeechStarted()),
            (1.2, ev.CallerSpeechEnded()),
            (30.0, ev.CallerSpeechStarted()),
            (31.0, ev.SegmentHeard("Hello.", 31.0)),
            (31.5, ev.StartReply(1, HISTORY)),
            (33.0, ReplyOver(1, cancelled=False)),
        ]
    )
    assert one(sent, "hearing").began == 30.0


def test_dropped_requests_belong_to_the_turn_that_they_were_for() -> None:
    reports: list[Report] = []
    for number in (1, 2):
        reports.append((number, ev.StartReply(number, HISTORY, tentative=True)))
        reports.append((number + 0.5, ReplyOver(number, cancelled=True)))
    reports += [(3.0, ev.StartReply(3, HISTORY)), (4.0, ReplyOver(3, cancelled=False))]
    sent = spans_of(reports)
    turn = one(sent, "turn")
    chats = named(sent, "chat m")
    assert [chat.attributes.get("avr.request.dropped") for chat in chats] == [True, True, None]
    assert {chat.parent_id for chat in chats} == {turn.context.span_id}
    assert turn.began == 1
    assert (chats[0].began, chats[0].ended) == (1, 1.5)


def test_dropped_requests_without_a_turn_are_bounded_and_not_lost() -> None:
    reports: list[Report] = []
    for number in range(DROPPED_MAX + 5):
        reports.append((float(number), ev.StartReply(number, HISTORY, tentative=True)))
        reports.append((number + 0.5, ReplyOver(number, cancelled=True)))
    sent = spans_of(reports)
    assert len(named(sent, "chat m")) == DROPPED_MAX + 5
    assert {chat.parent_id for chat in named(sent, "chat m")} == {sent[-1].context.span_id}


def test_a_filler_is_a_part_of_its_turn() -> None:
    sent = spans_of(
        [
            (1.0, ev.StartReply(1, HISTORY)),
            (2.0, ev.SentenceReady(1, 1, "One moment.")),
            (2.0, ev.VoiceStarted(1, filler=True)),
            (3.0, UtteranceHeard(1, 2.0, 1.0)),
            (4.0, ev.ReplyFailed(1)),
            (4.0, ReplyOver(1, cancelled=False)),
        ]
    )
    voice = one(sent, "voice")
    assert voice.attributes["avr.voice.filler"] is True
    assert voice.kind == "internal"  # no service was asked
    assert one(sent, "turn").error


def test_tools_are_below_the_turn_that_asked_for_them() -> None:
    sent = spans_of(
        [
            (1.0, ev.StartReply(1, HISTORY)),
            (2.0, ev.ToolsCalled(1, (TOOL,))),
            (2.0, ev.RunTool(5, TOOL)),
            (3.0, ev.ToolDone(5, "The number is busy: key.", failed=True)),
            (3.0, ev.ContinueReply(1, HISTORY)),
            (4.0, ReplyOver(1, cancelled=False)),
        ]
    )
    tool = one(sent, "execute_tool find_booking")
    assert (tool.began, tool.ended) == (2.0, 3.0)
    assert tool.parent_id == one(sent, "turn").context.span_id
    assert tool.error == "the tool failed"
    rounds = named(sent, "chat m")
    assert [(chat.began, chat.ended) for chat in rounds] == [(1.0, 2.0), (3.0, 4.0)]


def test_a_failure_belongs_to_what_was_waiting() -> None:
    sent = spans_of(
        [
            (1.0, ev.StartReply(1, HISTORY)),
            (2.0, ev.SentenceReady(1, 1, "One.")),
            (2.1, ev.SentenceReady(1, 2, "Two.")),
            (2.2, AudioStarted(1, kept=False)),
            (2.3, ServiceFailed("tts", "tts: status 500, key")),
            (2.4, ServiceFailed("llm", "llm: cut")),
            (2.5, ServiceFailed("stt", "stt: gone")),
            (4.0, ReplyOver(1, cancelled=False)),
        ]
    )
    assert [span.error for span in named(sent, "voice")] == ["", "tts: status 500, ***"]
    assert one(sent, "chat m").error == "llm: cut"
    assert one(sent, "recogniser lost").error == "stt: gone"
    call = one(sent, "call")
    failed = [given for _, name, given in call.events if name == "service failed"]
    assert [given["avr.service"] for given in failed] == ["tts", "llm", "stt"]


def test_words_keys_and_facts_are_recorded_only_if_wanted() -> None:
    reports: list[Report] = [
        (0.5, KeyReceived("4")),
        (1.0, ev.SendTranscript("user", "My code is KX41.")),
        (1.0, ev.StartReply(1, HISTORY)),
        (1.5, ev.SentenceReady(1, 1, "It is KX41.")),
        (2.0, ev.ToolsCalled(1, (TOOL,))),
        (2.0, ev.RunTool(5, TOOL)),
        (3.0, ev.ToolDone(5, "KX41 is on Friday.")),
        (4.0, ReplyOver(1, cancelled=False)),
    ]
    hidden = str([(span.attributes, span.events) for span in spans_of(reports)])
    for text in ("KX41", "Friday", "1234567", "'4'", "700"):
        assert text not in hidden
    shown = spans_of(reports, words=True)
    call = one(shown, "call")
    assert call.attributes["avr.call.fact.from"] == "+49301234567"
    assert call.attributes["avr.call.transferred_to"] == "700"
    assert (0.5, "key", {"avr.key": "4"}) in call.events
    chat, tool = one(shown, "chat m"), one(shown, "execute_tool find_booking")
    assert '"content":"My code is KX41."' in str(chat.attributes["gen_ai.input.messages"])
    assert '"content":"It is KX41."' in str(chat.attributes["gen_ai.output.messages"])
    assert tool.attributes["gen_ai.tool.call.result"] == "KX41 is on Friday."
