"""The AVR transport, message by message, as the protocol's "what a robust one does" column says."""

import json
import logging
import struct
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from tests.avr_core import SILENCE, Heard, dial
from tests.nasty_json import NASTY
from tests.support import Serve, until, url_of

from avr_sts_speechmatics.sandbox.engines import ToolCall
from avr_sts_speechmatics.sandbox.scripted_cloud import (
    ScriptedTts,
    cough,
    running_sandbox,
    scripted,
    turn,
)
from avr_sts_speechmatics.transports import avr_websocket

QUESTION = turn("What are your opening hours?", start=0.2, end=1.0)
ANSWER = "Until five."


def numbered(frames: int) -> bytes:
    """Audio in which every sample is its own number: a lost or repeated one shows."""
    return b"".join((n % 30_000).to_bytes(2, "little") for n in range(160 * frames))


async def test_a_question_is_answered_with_whole_frames_and_both_transcripts(serve: Serve) -> None:
    async with (
        running_sandbox(scripted(QUESTION, answers=[ANSWER])) as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        await core.init()
        await core.speak(bytes(32_000))
        heard = await core.until(lambda heard: len(heard.transcript) == 2)
        assert heard.transcript == [("user", "What are your opening hours?"), ("agent", ANSWER)]
        assert heard.frames
        assert {len(frame) for frame in heard.frames} == {320}
        assert heard.of("error") == heard.of("interruption") == []


@pytest.mark.parametrize("path", ["", "/", "/any/path", "/?from=2001&to=5005", "/x?a=%20b&a=c"])
async def test_any_path_with_or_without_query_is_a_call(serve: Serve, path: str) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud) as server,
        dial(url_of(server, path)) as core,
    ):
        await core.init()
        await cloud.received.session()


async def test_audio_before_init_is_kept_and_heard_in_order(serve: Serve) -> None:
    said = numbered(100)
    async with (
        running_sandbox() as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        await core.speak(said[: 320 * 60])
        await core.init()
        await core.speak(said[320 * 60 :])
        session = await cloud.received.session()
        await cloud.received.until(lambda: len(session.audio) >= len(said))
        assert bytes(session.audio[: len(said)]) == said


async def test_more_than_five_seconds_before_init_keeps_the_last_five(serve: Serve) -> None:
    said = numbered(300)
    async with (
        running_sandbox() as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        await core.speak(said)
        await core.init()
        session = await cloud.received.session()
        await cloud.received.until(lambda: len(session.audio) >= 80_000)
        assert bytes(session.audio[:80_000]) == said[-80_000:]


async def test_a_second_init_changes_nothing(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        running_sandbox(scripted(QUESTION, answers=[ANSWER])) as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        await core.init("one")
        await core.init("one")
        assert "second init" not in caplog.text
        await core.init("two")
        await core.speak(bytes(32_000))
        await core.until(lambda heard: len(heard.transcript) == 2)
        assert "second init" in caplog.text
        assert len(cloud.received.sessions) == 1


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        "null",
        '"audio"',
        "{}",
        '{"type": null}',
        '{"type": "audio"}',
        '{"type": "audio", "audio": 5}',
        '{"type": "audio", "audio": "not base64!"}',
        '{"type": "audio", "audio": ""}',
        '{"type": "no_such_type", "x": [1, 2, {"y": null}]}',
        '{"type": "dtmf_digit", "digit": "x"}',
        '{"type": "dtmf_digit"}',
        '{"type": "init", "uuid": {"not": "a string"}}',
        b"\xff\xfe\x00binary",
        "\u0000",
        "[" * 5000,
    ],
)
async def test_bad_input_does_not_cost_the_caller_the_call(
    serve: Serve, message: str | bytes
) -> None:
    said = "What are your opening hours?"
    async with (
        running_sandbox(scripted(QUESTION, answers=[ANSWER])) as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        await core.send(message)
        await core.init()
        await core.send(message)
        await core.speak(bytes(32_000))
        await core.send(message)
        await core.until(lambda heard: heard.transcript == [("user", said)])


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
async def test_a_nasty_message_does_not_cost_the_call(
    serve: Serve, text: bytes, begun: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_sandbox() as cloud, serve(cloud) as server:
        async with dial(url_of(server)) as core:
            if begun:
                await core.init()
            await core.send_text(text)
            if not begun:
                await core.init()
            await core.speak(numbered(10))
            session = await cloud.received.session()
            await cloud.received.until(lambda: numbered(10) in bytes(session.audio))
        assert core.heard.close_code == 1000
    assert "Traceback" not in caplog.text
    assert all(len(record.getMessage()) < 1000 for record in caplog.records)


async def test_invalid_utf_8_in_a_fragmented_init_does_not_close_the_connection(
    serve: Serve,
) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        await core._socket.send([b'{"type":"init",', b'"uuid":"\xff"}'], text=True)
        await core.init("a-call")
        await cloud.received.session()
        assert core.heard.close_code is None


async def test_bad_input_is_logged_but_not_a_thousand_times(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_sandbox() as cloud, serve(cloud) as server:
        async with dial(url_of(server)) as core:
            await core.init()
            for _ in range(1000):
                await core.send("{")
                await core.send('{"type": "gossip"}')
            await core.speak(numbered(1))
            session = await cloud.received.session()
            await cloud.received.until(lambda: len(session.audio) >= 320)
        warnings = [r for r in caplog.records if r.levelno >= logging.WARNING]
        assert 2 <= len(warnings) <= 10
        assert sum("gossip" in r.getMessage() for r in warnings) == 1


async def test_an_odd_byte_does_not_turn_what_follows_into_noise(serve: Serve) -> None:
    said = numbered(4)
    async with (
        running_sandbox() as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        await core.init()
        await core.send({"type": "audio", "audio": b64encode(said[:320] + b"x").decode()})
        await core.speak(said[320:])
        session = await cloud.received.session()
        await cloud.received.until(lambda: len(session.audio) >= len(said))
        assert bytes(session.audio[: len(said)]) == said


@pytest.mark.parametrize("size", [2, 320, 640, 32_000])
async def test_frames_of_any_even_size_are_heard(serve: Serve, size: int) -> None:
    said = numbered(100)
    async with (
        running_sandbox() as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        await core.init()
        for at in range(0, len(said), size) if size > 2 else range(0, 200, 2):
            piece = b64encode(said[at : at + size]).decode()
            await core.send({"type": "audio", "audio": piece})
        expected = said if size > 2 else said[:200]
        session = await cloud.received.session()
        await cloud.received.until(lambda: len(session.audio) >= len(expected))
        assert bytes(session.audio[: len(expected)]) == expected


async def test_a_message_in_fragments_is_one_message(serve: Serve) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        await core.init()
        frame = json.dumps({"type": "audio", "audio": b64encode(numbered(1)).decode()})
        await core.send_in_pieces(frame[:100], frame[100:300], frame[300:])
        session = await cloud.received.session()
        await cloud.received.until(lambda: len(session.audio) >= 320)
        assert bytes(session.audio[:320]) == numbered(1)


async def test_a_message_beyond_every_bound_ends_that_connection_only(serve: Serve) -> None:
    async with (
        running_sandbox(scripted(QUESTION, answers=[ANSWER])) as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as other,
    ):
        async with dial(url_of(server)) as core:
            await core.init()
            await cloud.received.session()
            await core.send("x" * (2 << 20))
            await core.until_closed()
        await other.init()
        await cloud.received.session(1)


async def test_keys_reach_the_model_as_what_the_caller_typed(serve: Serve) -> None:
    async with (
        running_sandbox(scripted(answers=["Thank you."])) as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        for digit in ("9", "*", "4"):
            await core.send({"type": "dtmf_digit", "digit": digit})
        await core.init()
        for number_or_key in (7, "2", "#"):
            await core.send({"type": "dtmf_digit", "digit": number_or_key})
        heard = await core.until(lambda heard: len(heard.transcript) == 2)
        assert heard.transcript[0] == ("user", "[keys: 4 7 2]")
        assert cloud.received.chats[0].body["messages"][-1]["content"] == "[keys: 4 7 2]"


def level(value: int, seconds: float) -> bytes:
    """A voice that says nothing but `value`: one answer is told from another in any frame."""
    return value.to_bytes(2, "little") * round(16_000 * seconds)


async def test_records_of_turns_and_tools_are_sent_only_to_a_watching_client(
    serve: Serve, tmp_path: Path
) -> None:
    (tmp_path / "clock.py").write_text(
        "from avr_sts_speechmatics.tools import CallFacts, tool\n"
        "@tool\n"
        "async def tell_time(zone: str, call: CallFacts) -> str:\n"
        '    """What time it is."""\n'
        "    return ' '.join(call.facts)\n"
    )
    asks = ToolCall("tell_time", '{"zone": "the caller\'s"}')
    watched: dict[str, Heard] = {}
    for path in ("/?from=2001&watch=1", "/?from=2001&watch=0", "/?from=2001"):
        async with (
            running_sandbox(scripted(QUESTION, answers=[["Well. ", asks], ANSWER])) as cloud,
            serve(cloud, tools_dir=tmp_path) as server,
            dial(url_of(server, path)) as core,
        ):
            await core.init()
            await core.speak(bytes(32_000))
            watched[path] = await core.until(lambda heard: heard.said("agent").endswith(ANSWER))
            if "watch=1" in path:
                await core.until(lambda heard: bool(heard.of("turn")))
            await core.hang_up()
            # What the tool was given, as the model was told: to be watched is no fact of the call.
            assert cloud.received.chats[-1].body["messages"][-1]["content"] == "from"
    (told, *others) = watched.values()
    assert [sorted(record) for record in told.of("tool")] == [["failed", "name", "took_ms", "type"]]
    assert told.of("tool")[0]["name"] == "tell_time"
    (times,) = told.of("turn")
    assert (times["words_said"], times["words_heard"], times["interrupted"]) == (3, 3, False)
    assert not any(heard.of("turn") or heard.of("tool") for heard in others)


async def test_words_over_the_answer_interrupt_it_and_no_frame_of_it_follows(
    serve: Serve,
) -> None:
    first, second = "A long answer that would take a while to be heard.", "Yes?"
    voice = ScriptedTts({first: [level(3000, 4.0)], second: [level(9000, 0.2)]})
    interrupting = turn("Stop, please!", start=2.2, end=3.0, partials=["Stop"])
    script = [*QUESTION, *interrupting]
    async with (
        running_sandbox(scripted(script, answers=[first, second], voice=voice)) as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        await core.init()
        await core.speak(bytes(32_000))
        await core.until(lambda heard: len(heard.frames) > 10)
        await core.speak(bytes(48_000))
        heard = await core.until(lambda heard: len(heard.transcript) == 4)
        assert [message["type"] for _, message in heard.messages].count("interruption") == 1
        at = next(n for n, (_, m) in enumerate(heard.messages) if m["type"] == "interruption")
        later = [b64decode(m["audio"]) for _, m in heard.messages[at:] if m["type"] == "audio"]
        loudest = [max(abs(s) for (s,) in struct.iter_unpack("<h", frame)) for frame in later]
        assert loudest
        assert not [peak for peak in loudest if 2500 < peak < 3500]
        agent = [text for role, text in heard.transcript if role == "agent"]
        assert agent[1] == second
        assert first.startswith(agent[0])
        assert len(agent[0]) < len(first)
        history = cloud.received.chats[1].body["messages"]
        assert history[-2]["content"].startswith(agent[0] + "…")


async def test_a_cough_pauses_the_answer_and_does_not_shorten_it(serve: Serve) -> None:
    answer = "This answer is long enough to be coughed at."
    async with (
        running_sandbox(
            scripted([*QUESTION, *cough(start=2.1, end=2.4)], answers=[answer])
        ) as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        await core.init()
        await core.speak(bytes(32_000))
        await core.until(lambda heard: len(heard.frames) > 5)
        await core.speak(bytes(16_000))
        heard = await core.until(lambda heard: len(heard.transcript) == 2)
        assert heard.transcript[1] == ("agent", answer)
        assert heard.of("interruption") == []
        tone_frames = round(len(answer) * 0.05 * 50)
        assert abs(len(heard.frames) - tone_frames) <= 2
        gaps = [
            b - a
            for (a, m), (b, _) in zip(heard.messages, heard.messages[1:], strict=False)
            if m["type"] == "audio"
        ]
        assert max(gaps) > 0.3


async def test_the_callers_hangup_leaves_nothing(serve: Serve) -> None:
    async with (
        running_sandbox(scripted(QUESTION, answers=["A long answer. " * 20])) as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        await core.init()
        await core.speak(bytes(32_000))
        await core.until(lambda heard: len(heard.frames) > 5)
        await core.hang_up()
        await cloud.received.until(lambda: not cloud.received.sessions_open, timeout=1)
        assert cloud.received.sessions[0].messages[-1]["message"] == "EndOfStream"


async def test_a_line_that_vanishes_leaves_nothing(serve: Serve) -> None:
    async with running_sandbox(scripted(QUESTION)) as cloud, serve(cloud) as server:
        async with dial(url_of(server)) as core:
            await core.init()
            await core.speak(bytes(32_000))
            await cloud.received.session()
            core.vanish()
            await cloud.received.until(lambda: not cloud.received.sessions_open, timeout=1)
        await until(lambda: server.health()["calls"] == 0)


async def test_the_same_uuid_on_a_new_socket_is_a_new_call(serve: Serve) -> None:
    engines = scripted(QUESTION, QUESTION, answers=[ANSWER])
    async with running_sandbox(engines) as cloud, serve(cloud) as server:
        async with dial(url_of(server)) as first, dial(url_of(server)) as second:
            for core in (first, second):
                await core.init("the-same")
            for core in (first, second):
                await core.speak(bytes(32_000))
            for core in (first, second):
                await core.until(lambda heard: len(heard.transcript) == 2)
        async with dial(url_of(server)) as again:
            await again.init("the-same")
            await cloud.received.session(2)


async def test_a_connection_without_init_is_closed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(avr_websocket, "INIT_WAIT_S", 0.1)
    async with (
        running_sandbox() as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        await core.speak(SILENCE)
        heard = await core.until_closed()
        assert "init" in heard.of("error")[0]["message"]
        assert heard.close_code == 1008
        assert cloud.received.sessions == []


async def test_a_call_too_many_is_refused_with_a_reason(serve: Serve) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud, max_calls=1) as server,
        dial(url_of(server)) as core,
    ):
        async with dial(url_of(server)) as another:  # accepted while there was room
            await core.init()
            await cloud.received.session()
            await another.init()
            heard = await another.until_closed()
            assert "MAX_CALLS" in heard.of("error")[0]["message"]
            assert heard.close_code == 1013


# --- written turns -----------------------------------------------------------------------------


async def test_a_test_call_may_write_a_turn_and_hears_the_answer(serve: Serve) -> None:
    async with (
        running_sandbox(scripted(answers=[ANSWER])) as cloud,
        serve(cloud) as server,
        dial(url_of(server, "/?watch=1")) as core,
    ):
        await core.init()
        await cloud.received.session()
        await core.send({"type": "text", "text": "When do you\n close?"})
        heard = await core.until(lambda heard: heard.said("agent") == ANSWER)
        assert heard.said("user") == "When do you close?"
        assert heard.frames
        turns = heard.of("turn")
        await core.until(lambda heard: bool(heard.of("turn")) or bool(turns))
        assert heard.of("turn")[0]["voice_to_voice_ms"] is not None


async def test_only_a_test_call_may_write(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async with (
        running_sandbox(scripted(answers=[ANSWER])) as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        await core.init()
        await cloud.received.session()
        await core.send({"type": "text", "text": "When do you close?"})
        await until(lambda: "text is taken from a test call only" in caplog.text)
    assert cloud.received.chats == []
