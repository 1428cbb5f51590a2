"""OpenAI's realtime transcription, scripted. OpenAI's own client accepts this server.

`Manners` are the differences between servers that exist: OpenAI's own, with and without turn
detection, and speaches.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.services.stt.scripted_server import ScriptedServer, Session, Step, decoded, key_of
from tests.services.stt.vendors import Asked, Said

ERRORS = {
    "full": {"type": "rate_limit_error", "code": "rate_limit_exceeded", "message": "slow down"},
    "unknown language": {
        "type": "invalid_request_error",
        "code": "invalid_value",
        "message": "Invalid language 'xx'.",
        "param": "session.audio.input.transcription.language",
    },
}
TRANSCRIPTION = "conversation.item.input_audio_transcription"


@dataclass(frozen=True, slots=True)
class Manners:
    """How a server behaves.

    turns: whether it finds the ends of turns; otherwise it refuses turn detection.
    deltas: whether words come before the final text.
    times_since_commit: whether times count from the last commit rather than from the start.
    reads_update: whether the session is configured by `session.update`; else by the address.
    """

    turns: bool = True
    deltas: bool = True
    times_since_commit: bool = False
    reads_update: bool = True


OPENAI = Manners()
OPENAI_LIVE = Manners(turns=False)
SPEACHES = Manners(deltas=False, times_since_commit=True, reads_update=False)


class OpenAiServer(ScriptedServer):
    """Serves `/v1/realtime`."""

    path = "/v1/realtime"
    key_setting = "OPENAI_STT_API_KEY"
    reports: tuple[str, ...] = (
        "speech started", "words", "speech ended", "segment", "turn ended",
    )  # fmt: skip

    def __init__(self, manners: Manners = OPENAI) -> None:
        super().__init__()
        self.manners = manners
        self.updates: list[dict[str, Any]] = []

    @property
    def environment(self) -> dict[str, str]:
        return {
            "STT": "openai",
            "OPENAI_STT_URL": f"{self.url.replace('ws:', 'http:')}/v1",
            "OPENAI_STT_API_KEY": "a-key",
            "OPENAI_STT_MODEL": "whisper-small",
        }

    async def serve(self, session: Session) -> None:
        await session.send({"type": "session.created", "session": {"id": "sess_1"}})
        update = decoded(await session.read())
        assert update["type"] == "session.update"
        assert update["session"]["type"] == "transcription"
        self.updates.append(update)
        told = update["session"]["audio"]["input"]
        query = session.request.query
        transcription = told["transcription"] if self.manners.reads_update else query
        session.asked = Asked(
            key=key_of(session.request),
            language=transcription.get("language", ""),
            vocabulary=str(told["transcription"].get("prompt", "")),
            rate=24_000,
            audio=b"",
            open=True,
            said_goodbye=False,
        )
        if (error := ERRORS.get(session.fault or "")) is not None:
            await session.send({"type": "error", "error": error})
            await session.socket.close()
            return
        if told["turn_detection"] is not None and not self.manners.turns:
            what = "Turn detection is not supported for this model."
            param = "session.audio.input.turn_detection"
            refused = {"type": "invalid_request_error", "message": what, "param": param}
            session.refused = True
            await session.send({"type": "error", "error": refused})
            await session.read()
            return
        assert told["format"] == {"type": "audio/pcm", "rate": 24_000}
        committed_at = 0.0
        for number, said in enumerate(session.said):
            steps = list(self._steps(said, f"item_{number}", committed_at))
            committed_at = steps[-1].at
            session.steps.extend(steps)
        await session.send({"type": "session.updated", "session": {"id": "sess_1"}})
        while (message := await session.read()) is not None:
            event = decoded(message)
            if event["type"] == "input_audio_buffer.append":
                await session.hear(base64.b64decode(event["audio"]))
            else:
                assert event["type"] == "input_audio_buffer.commit"
                await self._commit(session)
        closed_well = session.socket.close_code == 1000
        session.asked = replace(session.asked, said_goodbye=closed_well)

    async def _commit(self, session: Session) -> None:
        """The client ends an item: of the script, or of a trial without a script."""
        said = session.said[0] if session.said and not self.manners.turns else None
        if said is not None:
            session.said = session.said[1:]
        item = f"item_{len(self.asked())}_{len(session.said)}" if said is None else said.text
        await session.send(
            {"type": "input_audio_buffer.committed", "item_id": item},
            completed(item, "" if said is None else said.text),
        )

    def _steps(self, said: Said, item: str, committed_at: float) -> Iterator[Step]:
        if not self.manners.turns:
            yield from self._deltas(said, said.text)
            return
        base = committed_at if self.manners.times_since_commit else 0.0
        start, end = round((said.start - base) * 1000), round((said.end - base) * 1000)
        sounds = {"item_id": item}
        begins = sounds | {"type": "input_audio_buffer.speech_started", "audio_start_ms": start}
        ends = sounds | {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": end}
        yield Step(said.start + 0.1, (begins,))
        if self.manners.deltas:
            yield from self._deltas(said, item)
        yield Step(
            said.end + 0.6,
            (
                ends,
                sounds | {"type": "input_audio_buffer.committed"},
                completed(item, said.text),
            ),
        )

    def _deltas(self, said: Said, item: str) -> Iterator[Step]:
        """The partial texts as what each adds to the one before."""
        shown = ""
        for at, partial in said.timed_partials():
            added, shown = partial.removeprefix(shown), partial
            yield Step(at, ({"type": f"{TRANSCRIPTION}.delta", "item_id": item, "delta": added},))


def completed(item: str, text: str) -> dict[str, Any]:
    return {
        "type": f"{TRANSCRIPTION}.completed",
        "event_id": "event_1",
        "item_id": item,
        "content_index": 0,
        "transcript": text,
        "usage": {"type": "duration", "seconds": 1},
    }


class LiveServer(OpenAiServer):
    """A server whose model has no turn detection."""

    def __init__(self) -> None:
        super().__init__(OPENAI_LIVE)


class SpeachesServer(OpenAiServer):
    """A server that transcribes whole items only."""

    reports = ("speech started", "speech ended", "segment", "turn ended")

    def __init__(self) -> None:
        super().__init__(SPEACHES)
