"""The synthetic STT over its own socket: its messages, and the caller's frame of each."""

import asyncio
import json
from dataclasses import replace

from bench.codewords import Turn, question
from bench.frames import SPEECH_FRAMES, Mark, encode
from bench.ledger import Delays, Ledger
from bench.load import cloud
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

TURN = Turn(3, 4)
DELAYS = Delays(settled=0.14, speech_end=0.3, stt=0.3, llm=0.0, voice=0.0)
SETTLED, SILENCE = 7, 15
"""DELAYS in frames."""


class Listener(WSListener):
    """Records each message with the number of the last acknowledged frame."""

    def __init__(self) -> None:
        self.told: list[tuple[int, str, str]] = []
        self.number = 0
        self.ended = asyncio.Event()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        message = json.loads(frame.get_payload_as_bytes())
        kind = message["message"]
        if kind == "AudioAdded":
            self.number = message["seq_no"]
        elif kind == "EndOfTranscript":
            self.ended.set()
        else:
            self.told.append((self.number, kind, message.get("segment", {}).get("transcript", "")))


async def told_of(
    pattern: list[tuple[int, bool]], delays: Delays = DELAYS
) -> list[tuple[int, str, str]]:
    """The STT's messages for the given frames: number of the frame, name, words."""
    sounds = [speaking for count, speaking in pattern for _ in range(count)]
    listener = Listener()
    async with cloud(Ledger(), delays) as (port, _), asyncio.timeout(10):
        transport, _ = await ws_connect(lambda: listener, f"ws://127.0.0.1:{port}/v2/agent")
        audio = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 8000}
        start = {"message": "StartRecognition", "audio_format": audio}
        transport.send(WSMsgType.TEXT, json.dumps(start).encode())
        for number, speaking in enumerate(sounds):
            transport.send(WSMsgType.BINARY, encode(Mark(TURN, number, speaking)))
        transport.send(WSMsgType.TEXT, b'{"message":"EndOfStream"}')
        await listener.ended.wait()
        transport.disconnect()
        await transport.wait_disconnected()
    return listener.told[1:]


def at(told: list[tuple[int, str, str]], kind: str) -> list[tuple[int, str]]:
    return [(number, words) for number, message, words in told if message == kind]


async def test_partials_change_during_speech_and_settle_before_the_turn_ends() -> None:
    told = await told_of([(SPEECH_FRAMES, True), (SILENCE, False)])
    guesses = at(told, "AddPartialSegment")
    ends = SPEECH_FRAMES + SILENCE
    whole = question(TURN)
    assert [number for number, _ in guesses] == [5, 20, SPEECH_FRAMES + 3, SPEECH_FRAMES + SETTLED]
    assert len({words for _, words in guesses[:3]}) == 3
    assert [words for _, words in guesses[2:]] == [whole, whole]
    assert told[-3:] == [
        (ends, "AddSegment", whole),
        (ends, "SpeechEnded", ""),
        (ends, "EndOfTurn", ""),
    ]


async def test_a_pause_settles_the_words_so_far_and_ends_no_turn() -> None:
    half = SPEECH_FRAMES // 2
    pause = SILENCE - 1
    told = await told_of([(half, True), (pause, False), (half, True), (SILENCE, False)])
    in_pause = [
        words for number, words in at(told, "AddPartialSegment") if half < number <= half + pause
    ]
    assert len(in_pause) == 2
    assert in_pause[0] == in_pause[1] != ""
    assert question(TURN).startswith(f"{in_pause[0]} ")
    assert [number for number, _ in at(told, "SpeechStarted")] == [1]
    assert at(told, "EndOfTurn") == [(2 * half + pause + SILENCE, "")]
    assert [words for _, words in at(told, "AddSegment")] == [question(TURN)]


async def test_an_early_speech_ended_is_sent_once_for_each_sound() -> None:
    half, pause = SPEECH_FRAMES // 2, SILENCE - 1
    early = replace(DELAYS, speech_end=0.02)
    told = await told_of([(half, True), (pause, False), (half, True), (SILENCE, False)], early)
    assert [number for number, _ in at(told, "SpeechStarted")] == [1, half + pause + 1]
    ends = [number for number, _ in at(told, "SpeechEnded")]
    assert ends == [half + 1, 2 * half + pause + 1]
