"""Talk, in a real browser: a voice at its microphone, and what comes out of its loudspeaker."""

import asyncio
import re
from pathlib import Path

import numpy as np
from playwright.async_api import Page, expect
from tests.console.browser import window
from tests.support import Serve, until

from avr_sts_speechmatics.audio.wav import write_stereo
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox, scripted, turn
from avr_sts_speechmatics.server import Server

QUESTION = "What are your opening hours?"
ANSWER = "We are open from nine to five."


def address(server: Server) -> str:
    return f"http://localhost:{server.addresses[0][1]}/"


async def holds(page: Page, expression: str) -> None:
    """Wait until an expression holds. Playwright waits by `eval`, which the page forbids."""
    async with asyncio.timeout(15):
        while not await page.evaluate(expression):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def voice(path: Path, *, seconds: float = 1.0, lead: float = 0.5, tail: float = 10.0) -> Path:
    """A WAV file in which somebody speaks for a while; a browser wants 44.1 or 48 kHz, or 8."""
    ramp = np.arange(int(8000 * seconds)) / 8000
    loud = (9000 * np.sin(2 * np.pi * 440 * ramp)).astype("<i2").tobytes()
    sound = bytes(int(16_000 * lead) & ~1) + loud + bytes(int(16_000 * tail) & ~1)
    write_stereo(path, sound, sound)
    return path


async def test_a_question_at_the_microphone_is_answered_aloud(serve: Serve, tmp_path: Path) -> None:
    hears = turn(QUESTION, start=0.4, end=1.6)
    async with (
        running_sandbox(scripted(hears, answers=[ANSWER])) as cloud,
        serve(cloud) as server,
        window(microphone=voice(tmp_path / "voice.wav")) as shown,
    ):
        page = shown.page
        await page.goto(address(server))
        await page.get_by_role("button", name="Call with the microphone").click()
        await expect(page.get_by_role("status")).to_contain_text("Connected")
        said = page.get_by_role("list", name="What is said")
        await expect(said).to_contain_text(QUESTION, timeout=15_000)
        await expect(said).to_contain_text(ANSWER, timeout=15_000)
        await expect(said).to_contain_text(re.compile(r"answered after \d+ ms"), timeout=15_000)
        await expect(said.get_by_role("img")).to_have_count(1)
        done = await page.evaluate("talk.sound.done")
        received = await page.evaluate("talk.received")
        # What was received was played, without a gap.
        assert received["loudest"] > 1000
        assert done["gaps"] <= 3  # a busy machine is late now and then
        assert abs(done["played"] + done["held"] - received["frames"] / 50) < 0.2
        session = await cloud.received.session()
        heard = np.frombuffer(bytes(session.audio), dtype="<i2")
        # The recogniser heard the voice as it was spoken: its tone, at its length.
        loud = np.flatnonzero(np.abs(heard) > 1500)
        assert 0.8 < (loud[-1] - loud[0]) / 8000 < 1.3
        piece = heard[loud[0] + 1600 : loud[0] + 1600 + 4000].astype(float)
        spectrum = np.abs(np.fft.rfft(piece * np.hanning(piece.size)))
        assert abs(spectrum.argmax() * 8000 / piece.size - 440) < 5
        await page.get_by_role("button", name="Hang up").click()
        await expect(page.get_by_role("status")).to_have_text("You hung up.")
        await until(lambda: server.health()["calls"] == 0)
    assert shown.faults == []


async def test_a_turn_is_written_by_keyboard_alone(serve: Serve) -> None:
    async with (
        running_sandbox(scripted(answers=[ANSWER])) as cloud,
        serve(cloud) as server,
        window() as shown,
    ):
        page = shown.page
        await page.goto(address(server))
        await page.get_by_role("button", name="Call in writing").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("Connected")
        await page.keyboard.press("Tab")
        await page.keyboard.type(QUESTION)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("list", name="What is said")).to_contain_text(ANSWER)
    assert shown.faults == []


async def test_without_a_microphone_the_page_says_so_and_the_call_goes_on_in_writing(
    serve: Serve,
) -> None:
    async with (
        running_sandbox(scripted(answers=[ANSWER])) as cloud,
        serve(cloud) as server,
        window() as shown,
    ):
        page = shown.page
        await page.goto(address(server))
        await page.get_by_role("button", name="Call with the microphone").click()
        said = page.get_by_role("list", name="What is said")
        await expect(said).to_contain_text("Write instead")
        await page.get_by_label("Write to the agent").fill(QUESTION)
        await page.keyboard.press("Enter")
        await expect(said).to_contain_text(ANSWER)


async def test_words_over_the_agent_silence_its_voice_at_once(serve: Serve) -> None:
    async with (
        running_sandbox(scripted(answers=[ANSWER * 20, "Yes?"])) as cloud,
        serve(cloud) as server,
        window() as shown,
    ):
        page = shown.page
        await page.goto(address(server))
        await page.get_by_role("button", name="Call in writing").click()
        await page.get_by_label("Write to the agent").fill(QUESTION)
        await page.keyboard.press("Enter")
        await holds(page, "talk.sound.done.played > 0.5")
        await page.evaluate("""
            talk.silentAfter = null;
            const drop = talk.sound.drop.bind(talk.sound);
            const written = performance.now();
            talk.sound.drop = () => {
                drop();
                const began = performance.now();
                const look = () => {
                    if (!talk.sound.done.playing) talk.silentAfter = performance.now() - began;
                    else setTimeout(look, 5);
                };
                look();
            };
            talk.line.write("Stop, please, I have another question.");
        """)
        await holds(page, "talk.silentAfter !== null")
        # The page is told ten times a second what its loudspeaker does.
        assert await page.evaluate("talk.silentAfter") < 1000
        await expect(page.get_by_role("list", name="What is said")).to_contain_text("Yes?")
    assert shown.faults == []


async def test_a_lost_connection_says_so_and_comes_back(serve: Serve) -> None:
    async with running_sandbox(scripted(answers=[ANSWER])) as cloud, window() as shown:
        page = shown.page
        async with serve(cloud) as server:
            await page.goto(address(server))
            await page.get_by_role("button", name="Call in writing").click()
            await expect(page.get_by_role("status")).to_contain_text("Connected")
            # The connection breaks without a goodbye.
            for call in server._calls.values():
                transport = call.line._transport  # type: ignore[attr-defined]
                transport.disconnect(graceful=False)
            await expect(page.get_by_role("status")).to_contain_text("Calling again")
            await expect(page.get_by_role("status")).to_contain_text("Connected", timeout=15_000)
            await page.get_by_role("button", name="Hang up").click()
            await until(lambda: server.health()["calls"] == 0)


async def test_five_minutes_of_sound_have_no_gap_though_the_clocks_differ() -> None:
    """The loudspeaker of the page, fed by a clock that is 500 ppm faster, in fast motion."""
    async with window() as shown:
        await shown.page.goto("about:blank")
        source = (Path(__file__).parents[2] / "src/avr_sts_speechmatics/console/pages").joinpath(
            "sound-worklet.js"
        )
        done = await shown.page.evaluate(
            """async (source) => {
                globalThis.sampleRate = 48000;
                globalThis.currentTime = 0;
                globalThis.AudioWorkletProcessor = class {
                    constructor() { this.port = { postMessage: (said) => (this.said = said) }; }
                };
                const made = {};
                globalThis.registerProcessor = (name, kind) => (made[name] = kind);
                (0, eval)(source);
                const outcome = [];
                for (const drift of [0.9995, 1.0005]) {
                    const speaker = new made.speaker();
                    const output = [[new Float32Array(128)]];
                    let frames = 0, blocks = 0, most = 0;
                    while (frames < 50 * 300) {
                        currentTime = (blocks++ * 128) / 48000;
                        // Frames come in their rhythm, each up to 15 ms late.
                        while (frames < 50 * 300
                               && currentTime >= frames / 50 / drift + 0.015 * Math.random()) {
                            speaker.take(new Int16Array(160).fill(1000));
                            frames++;
                        }
                        speaker.process([], output);
                        most = Math.max(most, speaker.held);
                    }
                    outcome.push([speaker.done.gaps, most]);
                }
                return outcome;
            }""",
            source.read_text(),
        )
    for gaps, most in done:
        assert gaps == 0
        assert most < 0.2
