"""A call as a timeline: what happened, and why an answer was late."""

from datetime import UTC
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.cli.timeline import timeline, why_late
from avr_sts_speechmatics.records.tables import calls, events, tools, turns


def row(table: Any, **columns: Any) -> dict[str, Any]:
    return {column.name: None for column in table.columns} | columns


def speech(at_ms: int, speaker: str, kind: str, **columns: Any) -> dict[str, Any]:
    return row(
        turns, at_ms=at_ms, speaker=speaker, kind=kind, interrupted=False, number=1, **columns
    )


def event(at_ms: int, kind: str, then: str | None = None, **details: Any) -> dict[str, Any]:
    more = {"then": then, "then_ms": 800, "heard": "I am sorry."} if then else {}
    more = more or {"then": None, "then_ms": None, "heard": None}
    return row(events, at_ms=at_ms, kind=kind, details=details) | more


LATE = speech(
    9000,
    "agent",
    "answer",
    heard="It is on…",
    said="It is on Friday.",
    words_said=4,
    words_heard=2,
    voice_to_voice_ms=2410,
    confirm_ms=300,
    model_ms=1700,
    clause_ms=120,
    voice_ms=250,
    frame_ms=40,
    ahead_ms=150,
    requests=2,
) | {"interrupted": True}

CALL: dict[str, Any] = row(
    calls,
    key="01a31857bc20" + "ab" * 10,
    uuid="0b7f6a52",
    transport="audiosocket",
    agent="support",
    caller_number="+4922812345",
    called_number="5001",
    began_ms=1_800_000_000_000,
    ended_ms=1_800_000_095_000,
    reason="transfer",
    ended_by="agent",
    transferred_to="700",
    duration_s=95.0,
    interruptions=1,
    failures=1,
    voice_to_voice_median_ms=620,
    voice_to_voice_worst_ms=2410,
    stt_s=40.5,
    prompt_tokens=1200,
    cached_tokens=1000,
    completion_tokens=80,
    tts_characters=812,
    cost=0.0213,
    currency="USD",
    facts={"lang": "it"},
    outcome={"booked": True},
) | {
    "running": False,
    "caller_turns": 2,
    "turns": [
        LATE,
        speech(
            200, "agent", "welcome", heard="Welcome.", said="Welcome.", words_heard=1, words_said=1
        ),
        speech(4000, "caller", "words", said="When is my booking?", words_said=4),
        speech(12_000, "caller", "keys", said="[keys: 4 7]"),
    ],
    "tools": [
        row(
            tools,
            at_ms=5000,
            name="find",
            took_ms=120,
            failed=False,
            arguments={"code": "KX41"},
            result="Friday.",
        ),
        row(tools, at_ms=5100, name="other", failed=True, arguments={}),
    ],
    "events": [
        event(7000, "failure", "sorry", service="tts", error="tts: gone"),
        event(12_100, "key", key="4"),
        event(20_000, "transfer", to="700", failed=False),
        event(21_000, "note", text="the line is noisy"),
    ],
}


def test_a_timeline_says_what_happened_in_the_order_of_time() -> None:
    text = "\n".join(timeline(CALL, UTC, 300))
    head, _, body = text.partition("\n\n")
    assert "began   2027-01-15 08:00:00 (UTC)" in head
    assert "end     08:01:35 after 1:35: transfer, by agent, transferred to 700" in head
    assert (
        "turns   2 turns, answers after 620 ms (worst 2410 ms), 1 interruption, 1 failure" in head
    )
    assert "cost 0.0213 USD" in head
    assert "facts   lang=it" in head
    assert "outcome booked=True" in head
    expected = [
        "08:00:00.2 agent   (welcome) Welcome.",
        "08:00:04.0 caller  When is my booking?",
        "08:00:05.0 tool    find code=KX41: took 120 ms",
        "-> Friday.",
        "08:00:05.1 tool    other : did not run or end, failed",
        "08:00:07.0 failure tts: gone",
        "the caller heard 800 ms later (sorry): I am sorry.",
        "08:00:09.0 agent   It is on…",
        "interrupted: 2 of 4 words heard",
        "was to be: It is on Friday.",
        "answered after 2410 ms = confirm 300 + model 1700 + clause 120 + voice 250 + frame 40;",
        "08:00:12.0 caller  [keys: 4 7]",
        "08:00:12.1 key     4",
        "08:00:20.0 transfer to 700",
        "08:00:21.0 note    the line is noisy",
    ]
    places = [body.find(line) for line in expected]
    assert -1 not in places, dict(zip(expected, places, strict=True))
    assert places == sorted(places)


def test_a_late_answer_names_its_longest_part() -> None:
    assert why_late(LATE) == (
        "answered after 2410 ms = confirm 300 + model 1700 + clause 120 + voice 250 + frame 40; "
        "longest: model (the model's first word); the model was asked 150 ms ahead; 2 requests"
    )
    of_keys = LATE | {"voice_to_voice_ms": None, "confirm_ms": None, "ahead_ms": 0, "requests": 1}
    assert why_late(of_keys) == "waited model 1700 + clause 120 + voice 250 + frame 40 ms"
    assert why_late(speech(0, "agent", "welcome")) == ""


def test_a_call_without_words_is_shown_by_their_number() -> None:
    bare = [one | {"said": None, "heard": None} for one in CALL["turns"]]
    tool = CALL["tools"][0] | {"arguments": None, "result": None}
    call = CALL | {"turns": bare, "tools": [tool], "facts": None, "outcome": None}
    text = "\n".join(timeline(call | {"events": [event(1, "key")]}, UTC, 100))
    for line in (
        "(welcome) [1 word]",
        "caller  [4 words]",
        "[keys]",
        "find: took",
        "key     pressed",
    ):
        assert line in text


def test_calls_without_an_end() -> None:
    open_call = CALL | {"ended_ms": None, "duration_s": None, "reason": None}
    assert "the call is going on" in "\n".join(timeline(open_call | {"running": True}, UTC, 80))
    assert "lost: the service was killed" in "\n".join(timeline(open_call, UTC, 80))
    empty = open_call | {"turns": [], "tools": [], "events": []}
    assert "Nothing else is kept" in "\n".join(timeline(empty, UTC, 80))


def test_a_failure_after_which_nothing_was_heard() -> None:
    call = CALL | {"events": [event(7000, "failure", service="llm", error="")]}
    text = "\n".join(timeline(call, UTC, 80))
    assert "failure llm" in text
    assert "the caller heard nothing after it" in text


@given(st.text(st.characters(codec=None), max_size=300), st.integers(40, 200))
def test_lines_fit_the_terminal_and_do_not_control_it(words: str, width: int) -> None:
    said = speech(1, "caller", "words", said=words)
    call = CALL | {"uuid": words, "turns": [said], "facts": {words: words}, "error": words}
    for line in timeline(call, UTC, width):
        assert line.isprintable()
        assert len(line) <= width
