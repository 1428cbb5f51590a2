"""Speechmatics' real-time API, version 2, scripted. The vendor's own client accepts this server."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.services.stt.scripted_server import ScriptedServer, Session, Step, decoded, key_of
from tests.services.stt.vendors import Asked, Said

FATAL = {
    "full": ("quota_exceeded", 4005),
    "unknown language": ("invalid_language", 1003),
}


def transcript(message: str, text: str, start: float, end: float) -> dict[str, Any]:
    """AddTranscript or AddPartialTranscript.

    text: words and marks; the service separates words, and puts no space before a mark.
    """
    results = [
        {
            "type": "punctuation" if re.match(r"\W", part) else "word",
            "start_time": start,
            "end_time": end,
            "is_eos": part in (".", "?"),
            "alternatives": [{"content": part, "confidence": 1.0}],
        }
        for part in re.findall(r"\w+|[^\w\s]", text)
    ]
    metadata = {"start_time": start, "end_time": end, "transcript": f"{text} " if text else ""}
    return {"message": message, "format": "2.9", "metadata": metadata, "results": results}


def end_of_utterance(at: float) -> dict[str, Any]:
    return {"message": "EndOfUtterance", "metadata": {"start_time": at, "end_time": at}}


def groups(said: Said) -> Iterator[dict[str, Any]]:
    """The final text in groups, cut between a word and its mark where there is one."""
    first = re.split(r"(?=,)|\s", said.text, maxsplit=1)[0]
    second = said.text[len(first) :].strip()
    middle = (said.start + said.end) / 2
    yield transcript("AddTranscript", first, said.start, middle)
    if second:
        yield transcript("AddTranscript", second, middle, said.end)


class RealtimeServer(ScriptedServer):
    """Serves `/v2`.

    reports_ends: whether the end of an utterance is reported.
    finals: whether words become final.
    keyless: whether the service is told no key, as for a container without keys.
    starts: the StartRecognition messages.
    """

    path = "/v2"

    def __init__(self) -> None:
        super().__init__()
        self.reports_ends = True
        self.finals = True
        self.keyless = False
        self.starts: list[dict[str, Any]] = []

    @property
    def environment(self) -> dict[str, str]:
        key = {} if self.keyless else {"SPEECHMATICS_API_KEY": "a-key"}
        return {"STT": "realtime", "SPEECHMATICS_RT_URL": f"{self.url}/v2"} | key

    async def serve(self, session: Session) -> None:
        start = decoded(await session.read())
        assert start["message"] == "StartRecognition"
        self.starts.append(start)
        config, audio = start["transcription_config"], start["audio_format"]
        session.asked = Asked(
            key=key_of(session.request),
            language=config["language"],
            vocabulary=str(config.get("additional_vocab", "")),
            rate=audio["sample_rate"],
            audio=b"",
            open=True,
            said_goodbye=False,
        )
        if session.fault in FATAL:
            kind, code = FATAL[session.fault]
            await session.send({"message": "Error", "type": kind, "reason": "as the test asks"})
            await session.socket.close(code=code)
            return
        trigger = config.get("conversation_config", {}).get("end_of_utterance_silence_trigger", 0)
        for said in session.said:
            session.steps.extend(self._steps(said, trigger))
        await session.send(
            {
                "message": "RecognitionStarted",
                "id": "a-session",
                "language_pack_info": {"word_delimiter": " "},
            },
            {
                "message": "Info",
                "type": "recognition_quality",
                "reason": "",
                "quality": "telephony",
            },
        )
        frames = 0
        while (message := await session.read()) is not None:
            if isinstance(message, bytes):
                frames += 1
                await session.send({"message": "AudioAdded", "seq_no": frames})
                await session.hear(message)
            elif decoded(message)["message"] == "EndOfStream":
                assert decoded(message)["last_seq_no"] == frames
                session.asked = replace(session.asked, said_goodbye=True)
                await session.send({"message": "EndOfTranscript"})
                await session.socket.close()

    def _steps(self, said: Said, trigger: float) -> Iterator[Step]:
        for at, partial in said.timed_partials():
            yield Step(at, (transcript("AddPartialTranscript", partial, said.start, at),))
        end = said.end + (trigger or 0.6)
        if self.finals:
            yield Step(end, tuple(groups(said)))
        if self.reports_ends and trigger:
            yield Step(end, (end_of_utterance(said.end),))
