"""The `call` command against a scripted service on real sockets, by both doors."""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import signal
import wave
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    ws_create_server,
)
from tests.cli.commands import free_port, run

from avr_sts_speechmatics.cli.call import add_arguments, run_call
from avr_sts_speechmatics.phone import caller
from avr_sts_speechmatics.phone.tape import FRAME, Tape, end_of_speech

RATE = 8000


def sound(milliseconds: int, level: int = 8000, hertz: float = 400) -> bytes:
    ramp = np.arange(RATE * milliseconds // 1000) / RATE
    return (level * np.sin(2 * np.pi * hertz * ramp)).astype("<i2").tobytes()


def silence(milliseconds: int) -> bytes:
    return bytes(2 * RATE * milliseconds // 1000)


QUESTION = silence(100) + sound(200) + silence(100)
ANSWER = sound(300, hertz=700)


@dataclass
class Agent:
    """What the scripted agent does, and what it saw.

    welcome: said at once. answers: one for each time the caller speaks and stops, sent after
    `llm` seconds; None is an agent that has no answer. After the last it says nothing.
    tells: a message sent before each.
    """

    welcome: bytes = b""
    answers: list[bytes | None] = field(default_factory=list)
    llm: float = 0.15
    tells: dict[str, object] = field(default_factory=dict)
    hangs_up_after_answer: bool = False
    barge_in: bool = False

    path: str = ""
    uuid: str = ""
    digits: str = ""
    audio: bytearray = field(default_factory=bytearray)
    loud: bool = False
    quiet_frames: int = 0

    def hears(self, pcm: bytes) -> bool:
        """Take the caller's audio; True when a stretch of speech has just ended."""
        self.audio += pcm
        if np.abs(np.frombuffer(pcm, dtype="<i2")).max(initial=0) > 1000:
            self.loud, self.quiet_frames = True, 0
            return False
        self.quiet_frames += 1
        ended = self.loud and self.quiet_frames == 2
        self.loud = self.loud and not ended
        return ended


class WebSocketAgent(WSListener):
    def __init__(self, agent: Agent, request: WSUpgradeRequest) -> None:
        self.agent = agent
        agent.path = request.path.decode()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()
            return
        message = json.loads(frame.get_payload_as_bytes())
        match message["type"]:
            case "init":
                self.agent.uuid = message["uuid"]
                self.speak(self.agent.welcome)
            case "dtmf_digit":
                self.agent.digits += message["digit"]
                if message["digit"] == "#":
                    self.later()
            case "audio":
                if self.agent.hears(base64.b64decode(message["audio"])):
                    self.send(type="transcript", role="user", text="A question?")
                    self.later()

    def later(self) -> None:
        asyncio.get_running_loop().call_later(self.agent.llm, self.answer)

    def answer(self) -> None:
        answer = self.agent.answers.pop(0) if self.agent.answers else None
        if answer is None:
            self.send(type="error", message="no answer today")
            return
        if self.agent.tells:
            self.send(**self.agent.tells)
        self.send(type="transcript", role="agent", text="An answer.")
        self.speak(answer)
        if self.agent.barge_in:
            self.send(type="interruption")
        if self.agent.hangs_up_after_answer:
            self.transport.send_close(WSCloseCode.INTERNAL_ERROR, b"out of voices")
            self.transport.disconnect()

    def speak(self, pcm: bytes) -> None:
        # All at once: a service that does not pace must sound the same to a phone.
        for start in range(0, len(pcm), 320):
            self.send(type="audio", audio=base64.b64encode(pcm[start : start + 320]).decode())

    def send(self, **message: object) -> None:
        if not self.transport.is_disconnected:
            self.transport.send(WSMsgType.TEXT, json.dumps(message))


@contextlib.asynccontextmanager
async def answering(agent: Agent) -> AsyncIterator[str]:
    server = await ws_create_server(lambda request: WebSocketAgent(agent, request), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"ws://127.0.0.1:{port}"
    finally:
        server.close()
        await server.wait_closed()


@contextlib.asynccontextmanager
async def answering_posts(agent: Agent, status: int = 200) -> AsyncIterator[str]:
    async def stream(request: web.Request) -> web.StreamResponse:
        agent.uuid, agent.path = request.headers["X-UUID"], str(request.rel_url)
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        if status != 200:
            return response
        async for chunk in request.content.iter_any():
            if agent.hears(chunk) and agent.answers:
                await asyncio.sleep(agent.llm)
                answer = agent.answers.pop(0) or b""
                # Cut in the middle of a sample, as HTTP may.
                await response.write(answer[:333])
                await asyncio.sleep(0.01)
                await response.write(answer[333:])
        return response

    app = web.Application()
    app.router.add_post("/speech-to-speech-stream", stream)
    # A refused caller is not listened to any longer.
    runner = web.AppRunner(app, lingering_time=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/speech-to-speech-stream"
    finally:
        await runner.cleanup()


async def say(text: str) -> bytes:
    return QUESTION


async def call(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    quick = ["--welcome-wait", "0.1", "--answer-timeout", "1"]
    return await run_call(parser.parse_args([*quick, *map(str, arguments)]), say)


@pytest.fixture(autouse=True)
def _brisk_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    # Longer than the gap within an utterance; a person's second is not needed here.
    monkeypatch.setattr(caller, "_ANSWER_OVER_SECONDS", 0.4)


Printed = Callable[[], tuple[str, str]]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    """What the command has printed: stdout, stderr."""
    return lambda: tuple(capsys.readouterr())  # type: ignore[return-value]


async def report(printed: Printed, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    status = await call("--json", *arguments)
    return status, json.loads(printed()[0])


async def test_an_answered_call_is_told_live_and_in_a_table(printed: Printed) -> None:
    async with answering(Agent(answers=[ANSWER])) as url:
        assert await call("--url", url, "--say", "What are your opening hours?") == 0
    out, err = printed()
    lines = out.splitlines()
    assert lines[:2] == ["caller: A question?", "agent: An answer."]
    assert lines[3].split()[:2] == ["1", "What"]
    assert lines[3].endswith("ms")
    assert lines[4].startswith("1 of 1 turns answered, median ")
    assert err == ""


async def test_the_latency_is_from_the_last_sound_of_the_caller_to_the_first_of_the_agent(
    printed: Printed,
) -> None:
    # The agent notices the end 2 frames later, thinks 150 ms, and its voice begins after 100 ms.
    async with answering(Agent(answers=[silence(100) + ANSWER])) as url:
        _, told = await report(printed, "--url", url, "--say", "Hello?")
    assert 285 <= told["turns"][0]["latency_ms"] <= 350


async def test_turns_are_said_in_the_order_given_and_each_waits_for_the_answer_before(
    printed: Printed, tmp_path: Path
) -> None:
    (tmp_path / "second.raw").write_bytes(QUESTION)
    agent = Agent(answers=[ANSWER, ANSWER, ANSWER])
    async with answering(agent) as url:
        status, told = await report(
            printed,
            *("--url", f"{url}/?from=2001&to=5005", "--uuid", "call-7"),
            *("--say", "First?", "--play", tmp_path / "second.raw", "--say", "Third?"),
        )
    assert status == 0
    assert (agent.uuid, agent.path) == ("call-7", "/?from=2001&to=5005&watch=1")
    assert [turn["said"] for turn in told["turns"]] == ["First?", "second.raw", "Third?"]
    assert [turn["heard"] for turn in told["turns"]] == ["A question?"] * 3
    assert [turn["answer"] for turn in told["turns"]] == ["An answer."] * 3
    assert [entry["role"] for entry in told["transcript"]] == ["user", "agent"] * 3
    assert told["uuid"] == "call-7"
    assert told["answered"] is True


async def test_a_welcome_is_heard_out_before_the_caller_speaks(printed: Printed) -> None:
    agent = Agent(welcome=sound(600), answers=[ANSWER])
    async with answering(agent) as url:
        status, told = await report(printed, "--url", url, "--say", "Hello?")
    first_sound = np.flatnonzero(np.frombuffer(agent.audio, dtype="<i2"))[0] / RATE
    assert first_sound > 0.6 + 0.7
    assert told["welcome_ms"] < 200
    assert (status, told["turns"][0]["latency_ms"] is not None) == (0, True)


async def test_the_line_is_never_without_frames_and_carries_the_speech_unchanged() -> None:
    agent = Agent(answers=[ANSWER])
    async with answering(agent) as url:
        await call("--url", url, "--say", "Hello?")
    assert len(agent.audio) % len(FRAME) == 0
    assert len(agent.audio) > 1.2 * 2 * RATE
    assert bytes(agent.audio).strip(b"\0") == QUESTION.strip(b"\0")


async def test_a_call_without_any_answer_fails(printed: Printed) -> None:
    async with answering(Agent(answers=[None])) as url:
        assert await call("--url", url, "--say", "Hello?") == 1
    out, _ = printed()
    assert "error: no answer today" in out
    assert "no answer\n0 of 1 turns answered" in out


async def test_keys_are_pressed_after_the_last_line_and_are_a_turn(printed: Printed) -> None:
    agent = Agent(answers=[ANSWER, ANSWER])
    async with answering(agent) as url:
        _, told = await report(printed, "--url", url, "--say", "Hello?", "--digits", "12#")
    assert agent.digits == "12#"
    assert [turn["said"] for turn in told["turns"]] == ["Hello?", "keys 12#"]
    assert 100 <= told["turns"][1]["latency_ms"] <= 250


async def test_an_agent_that_hangs_up_ends_the_call_but_not_the_report(printed: Printed) -> None:
    agent = Agent(answers=[ANSWER], hangs_up_after_answer=True)
    async with answering(agent) as url:
        status, told = await report(printed, "--url", url, "--say", "One?", "--say", "Two?")
    assert status == 0
    assert told["ended"] == "the service hung up (1011 out of voices)"
    assert [turn["said"] for turn in told["turns"]] == ["One?"]


@pytest.mark.parametrize("tells", [{"type": "turn", "requests": "many"}, {"type": ["turn"]}])
async def test_what_makes_no_sense_is_told_and_does_not_cost_the_call(
    printed: Printed, tells: dict[str, object]
) -> None:
    async with answering(Agent(answers=[ANSWER], tells=tells)) as url:
        status, told = await report(printed, "--url", url, "--say", "Hello?")
    assert (status, told["turns"][0]["answers"]) == (0, [])
    assert told["errors"][0].startswith("the service sent a message nobody understands")


async def test_a_service_that_tells_nothing_more_has_a_table_of_what_was_heard(
    printed: Printed,
) -> None:
    tells: dict[str, object] = {"type": "of_another_service", "frame_ms": 5}
    async with answering(Agent(answers=[ANSWER], tells=tells)) as url:
        assert await call("--url", url, "--say", "Hello?") == 0
    assert printed()[0].splitlines()[2] == "turn  caller said  answered after"


async def test_the_recording_has_both_sides_aligned_as_a_phone_would_play_them(
    tmp_path: Path,
) -> None:
    async with answering(Agent(answers=[ANSWER, ANSWER])) as url:
        script = ("--say", "One?", "--say", "Two?")
        await call("--url", url, *script, "--record", tmp_path / "both.wav")
    with wave.open(str(tmp_path / "both.wav"), "rb") as file:
        assert (file.getnchannels(), file.getframerate()) == (2, RATE)
        both = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    caller, agent = (np.flatnonzero(np.abs(both[:, side]) > 300) / RATE for side in (0, 1))
    assert both[np.flatnonzero(both[:, 1])[0] :, 1][: len(ANSWER) // 2 - 1].tobytes() in ANSWER
    questions = np.split(caller, np.flatnonzero(np.diff(caller) > 0.3) + 1)
    answers = np.split(agent, np.flatnonzero(np.diff(agent) > 0.3) + 1)
    assert (len(questions), len(answers)) == (2, 2)
    for question, answer in zip(questions, answers, strict=True):
        assert 0.15 < answer[0] - question[-1] < 0.3


async def test_an_interruption_silences_what_was_queued(printed: Printed) -> None:
    async with answering(Agent(answers=[sound(3000)], barge_in=True)) as url:
        _, told = await report(printed, "--url", url, "--say", "Stop!")
    assert told["interruptions"] == 1
    assert told["seconds"] < 3


async def test_ctrl_c_hangs_up_and_still_writes_the_recording(
    printed: Printed, tmp_path: Path
) -> None:
    asyncio.get_running_loop().call_later(0.5, os.kill, os.getpid(), signal.SIGINT)
    async with answering(Agent(answers=[sound(5000)])) as url:
        status, told = await report(
            printed, "--url", url, "--say", "Hello?", "--record", tmp_path / "both.wav"
        )
    assert status == 130
    assert told["ended"] == "interrupted by Ctrl-C"
    with wave.open(str(tmp_path / "both.wav"), "rb") as file:
        assert file.getnframes() / RATE > 0.3


async def test_the_older_door_carries_a_call_too(printed: Printed) -> None:
    agent = Agent(answers=[ANSWER])
    async with answering_posts(agent) as url:
        status, told = await report(printed, "--url", url, "--say", "Hello?", "--uuid", "call-8")
    assert (status, agent.uuid) == (0, "call-8")
    assert agent.path == "/speech-to-speech-stream"  # it has nobody to tell more than sound
    assert 170 <= told["turns"][0]["latency_ms"] <= 300
    assert bytes(agent.audio).strip(b"\0") == QUESTION.strip(b"\0")


async def test_a_refusal_at_the_older_door_is_told(printed: Printed) -> None:
    async with answering_posts(Agent(), status=503) as url:
        status, told = await report(printed, "--url", url, "--say", "Hello?")
    assert status == 1
    assert told["ended"] == "the service answered 503 Service Unavailable"


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_a_service_that_is_not_there_is_one_sentence(printed: Printed, scheme: str) -> None:
    url = f"{scheme}://127.0.0.1:{free_port()}"
    assert await call("--url", url, "--say", "Hello?") == 2
    out, err = printed()
    assert out == ""
    assert err == (
        f"Nobody answers at {url}: is the service running (make run)? "
        "Give another address with --url.\n"
    )


async def test_somebody_else_at_the_address_is_one_sentence(printed: Printed) -> None:
    async with answering_posts(Agent()) as url:
        assert await call("--url", url.replace("http", "ws"), "--say", "Hello?") == 2
    out, err = printed()
    assert out == ""
    assert err.count("\n") == 1
    assert "give the service's address with --url" in err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--play", "nowhere.wav"), "nowhere.wav: No such file or directory"),
        (("--url", "localhost:6040"), "--url localhost:6040: begin it with ws://"),
        (("--record", "nowhere/both.wav"), "--record nowhere/both.wav: there is no folder"),
        (
            ("--url", "http://localhost/", "--digits", "1"),
            "--digits: the http:// connection has no keys",
        ),
    ],
)
async def test_a_wrong_argument_is_one_sentence(
    printed: Printed, arguments: tuple[str, ...], complaint: str
) -> None:
    assert await call(*arguments) == 2
    out, err = printed()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(complaint)


@pytest.mark.parametrize("arguments", [("--digits", "1x"), ("--welcome-wait", "soon")])
async def test_what_no_phone_can_do_is_refused_by_the_parser(
    printed: Printed, arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit):
        await call(*arguments)
    assert "argument --" in printed()[1]


def test_late_frames_within_a_jitter_buffer_leave_no_hole() -> None:
    tape = Tape()
    for number in range(10):
        late = 0.03 if number % 2 else 0.0
        tape.heard(sound(20), at=1.0 + 0.02 * number + late)
    assert len(tape.utterances) == 1
    assert tape.utterances[0].end == pytest.approx(1.2, abs=0.001)


def test_a_recording_with_traffic_in_it_ends_with_its_speech() -> None:
    traffic = np.random.default_rng(1).normal(0, 200, 2 * RATE)
    traffic[RATE // 2 : RATE] += 6000 * np.sin(np.arange(RATE // 2))
    assert end_of_speech(traffic.astype("<i2").tobytes()) == pytest.approx(1.0, abs=0.01)


def test_a_recording_without_a_pause_is_speech_to_its_end() -> None:
    assert end_of_speech(sound(500)) == pytest.approx(0.5, abs=0.01)


def test_calling_nobody_is_one_sentence(tmp_path: Path) -> None:
    clip = tmp_path / "clip.wav"
    with wave.open(str(clip), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(8000)
        wav.writeframes(bytes(3200))
    url = f"ws://127.0.0.1:{free_port()}"
    done = run("call", "--play", str(clip), "--url", url, cwd=tmp_path)
    assert done.returncode == 2
    assert "--url" in done.stderr
    assert "Traceback" not in done.stderr
