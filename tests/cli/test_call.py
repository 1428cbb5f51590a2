"""The `call` command: its arguments, its recording, and how it ends."""

import asyncio
import os
import signal
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from tests.cli.commands import free_port, run
from tests.phone.calling import Printed, call, report
from tests.phone.simple_agent import ANSWER, RATE, Agent, answering, silence, sound
from tests.phone.sound_programs import only

from avr_sts_speechmatics.phone import caller


@pytest.fixture(autouse=True)
def _brisk_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    # Longer than the gap within an utterance; a person's second is not needed here.
    monkeypatch.setattr(caller, "_ANSWER_OVER_SECONDS", 0.4)


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    """What the command has printed: stdout, stderr."""
    return lambda: tuple(capsys.readouterr())  # type: ignore[return-value]


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


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--play", "nowhere.wav"), "nowhere.wav: No such file or directory"),
        (("--url", "localhost:6040"), "--url localhost:6040: begin it with ws://"),
        (("--record", "nowhere/both.wav"), "--record nowhere/both.wav: there is no folder"),
        (("--record", "/"), "--record /: is a folder"),
        (("--url", "ws://localhost:99999"), "--url ws://localhost:99999: no address"),
        (("--url", "ws://["), "--url ws://[: no address"),
        (("--url", "ws://"), "--url 'ws://': no address"),
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


async def test_a_call_whose_output_nobody_reads_hangs_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as nobody_reads:
        monkeypatch.setattr(sys, "stdout", nobody_reads)
        async with answering(Agent(answers=[sound(20_000)])) as url:
            assert await call("--url", url, "--say", "Hello?") == 141


@pytest.mark.parametrize(
    "arguments",
    [("--digits", "1x"), ("--welcome-wait", "soon"), ("--say", ""), ("--say", "...")],
)
async def test_what_no_phone_can_do_is_refused_by_the_parser(
    printed: Printed, arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit):
        await call(*arguments)
    assert "argument --" in printed()[1]


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


async def test_a_person_listens_and_speaks_by_the_machines_own_devices(
    monkeypatch: pytest.MonkeyPatch, printed: Printed, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    (tmp_path / "voice").write_bytes(silence(300) + sound(300) + silence(300))
    only(
        monkeypatch,
        tmp_path / "bin",
        arecord=f"cat {tmp_path / 'voice'}; exec sleep 60",
        aplay=f"cat >{tmp_path / 'played'}",
    )
    asyncio.get_running_loop().call_later(2.0, os.kill, os.getpid(), signal.SIGINT)
    agent = Agent(answers=[ANSWER])
    async with answering(agent) as url:
        record = tmp_path / "call.wav"
        assert await call("--url", url, "--mic", "--record", record) == 0
    out, _ = printed()
    assert "caller: A question?" in out
    assert "1 of 1 turns answered" in out
    assert "the caller hung up" in out
    assert f"Recorded {record}; to hear it: aplay {record}" in out
    assert ANSWER in (tmp_path / "played").read_bytes()
    assert np.abs(np.frombuffer(agent.audio, dtype="<i2")).max() > 1000


async def test_the_microphone_takes_the_place_of_other_lines(printed: Printed) -> None:
    assert await call("--mic", "--say", "Hello?") == 2
    assert "--mic: give it without" in printed()[1]


async def test_a_machine_that_plays_nothing_is_told_before_the_call(
    monkeypatch: pytest.MonkeyPatch, printed: Printed, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    only(monkeypatch, tmp_path)
    async with answering(Agent(answers=[ANSWER])) as url:
        assert await call("--url", url, "--listen", "--say", "Hello?") == 2
    assert "--listen: nothing here plays sound" in printed()[1]


async def test_the_wide_table_has_all_times(printed: Printed) -> None:
    tells: dict[str, object] = {"type": "turn", "frame_ms": 5, "model_ms": 77}
    async with answering(Agent(answers=[ANSWER], tells=tells)) as url:
        assert await call("--url", url, "--say", "Hello?", "--wide") == 0
    assert "77" in printed()[0]
