"""Agent STT messages: the client's messages are validated, the server's are built. No I/O.

All objects of the client are closed, as in the Agent STT reference: an unknown or misspelt field is
rejected, not ignored.

Unlike the cloud, the sandbox recognises only English. `additional_vocab`, `domain`,
`output_locale` and `transcript_filtering_config` are accepted and have no effect (the recogniser
leaves "um" out anyway). With `diarization: speaker` every speaker is S1.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from avr_sts_speechmatics.network.untrusted_json import BadJson, decode

CLOSE_CODES: Mapping[str, int] = {
    "not_authorised": 4001,
    "not_allowed": 4003,
    "invalid_model": 4004,
    "quota_exceeded": 4005,
    "timelimit_exceeded": 4006,
    "job_error": 4013,
    "start_recognition_timeout": 1008,
    "internal_error": 1011,
}
"""Close code for each Error type; all other types are the client's fault and close with 1003."""

PROTOCOL_ERROR = 1003


class Refused(Exception):
    """The session ends because of the client's message or request.

    type: of the Error message, as in CLOSE_CODES or the reference.
    reason: of the Error message, one sentence.
    """

    def __init__(self, type: str, reason: str) -> None:
        super().__init__(reason)
        self.type = type
        self.reason = reason
        self.close_code = CLOSE_CODES.get(type, PROTOCOL_ERROR)


class Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of objects in which no other than the declared fields may occur."""


class AudioFormat(Closed, frozen=True, tag_field="type", tag="raw"):
    """The format of AddAudio frames. Telephone codecs and files are not supported."""

    encoding: Literal["pcm_s16le", "pcm_f32le"]
    sample_rate: Literal[8000, 16000]

    @property
    def sample_bytes(self) -> int:
        return 2 if self.encoding == "pcm_s16le" else 4

    @property
    def bytes_per_second(self) -> int:
        return self.sample_rate * self.sample_bytes


class VocabularyEntry(Closed, frozen=True):
    content: str
    sounds_like: list[str] | UnsetType = UNSET


class Speaker(Closed, frozen=True):
    label: Annotated[str, Meta(pattern=r"^(?!(S\d+|UU)$)\S(.*\S)?$")]
    speaker_identifiers: list[str]


class SpeakerDiarizationConfig(Closed, frozen=True):
    speaker_sensitivity: Annotated[float, Meta(ge=0, le=1)] = 0.5
    max_speakers: Annotated[int, Meta(ge=2)] | UnsetType = UNSET
    prefer_current_speaker: bool = False
    get_speakers: bool = False
    speakers: list[Speaker] | UnsetType = UNSET


class Replacement(Closed, frozen=True, rename={"from_": "from"}):
    from_: str
    to: str


class TranscriptFilteringConfig(Closed, frozen=True):
    remove_disfluencies: bool = False
    replacements: list[Replacement] | UnsetType = UNSET


class TranscriptionConfig(Closed, frozen=True):
    language: str
    model: str
    enable_partials: bool = False
    emit_sentences: bool = False
    diarization: Literal["none", "speaker"] = "none"
    speaker_diarization_config: SpeakerDiarizationConfig | UnsetType = UNSET
    additional_vocab: list[str | VocabularyEntry] | UnsetType = UNSET
    domain: str | UnsetType = UNSET
    output_locale: str | UnsetType = UNSET
    transcript_filtering_config: TranscriptFilteringConfig | UnsetType = UNSET


class TurnConfig(Closed, frozen=True):
    turn_detection_mode: Literal["vad", "external"] = "vad"


class StartRecognition(Closed, frozen=True, tag_field="message", tag="StartRecognition"):
    audio_format: AudioFormat
    transcription_config: TranscriptionConfig
    turn_config: TurnConfig = TurnConfig()

    @property
    def wants_speakers(self) -> bool:
        """Whether the client wants SpeakersResult at the end of the session."""
        config = self.transcription_config.speaker_diarization_config
        return config is not UNSET and config.get_speakers


class EndOfStream(Closed, frozen=True, tag_field="message", tag="EndOfStream"):
    last_seq_no: Annotated[int, Meta(ge=0)]


class ForceEndOfUtterance(Closed, frozen=True, tag_field="message", tag="ForceEndOfUtterance"):
    timestamp: Annotated[float, Meta(ge=0)]


class ChangedConfig(Closed, frozen=True):
    enable_partials: bool
    language: str = "en"


class SetRecognitionConfig(Closed, frozen=True, tag_field="message", tag="SetRecognitionConfig"):
    transcription_config: ChangedConfig


class GetSpeakers(Closed, frozen=True, tag_field="message", tag="GetSpeakers"):
    final: bool = False


ClientMessage = (
    StartRecognition | EndOfStream | ForceEndOfUtterance | SetRecognitionConfig | GetSpeakers
)


def parse(text: str) -> ClientMessage:
    """Decode and validate a client's message. Raises Refused with the reference's Error type."""
    try:
        message: ClientMessage = decode(text, ClientMessage)
    except BadJson as error:
        if isinstance(wrong := error.__cause__, msgspec.ValidationError):
            raise Refused(_type_of(str(wrong)), str(wrong)) from None
        raise Refused("invalid_message", f"not JSON: {error}") from None
    if isinstance(message, StartRecognition):
        _check(message)
    elif isinstance(message, SetRecognitionConfig):
        _check_language(message.transcription_config.language)
    return message


def _type_of(problem: str) -> str:
    if "$.audio_format" in problem:
        return "invalid_audio_type"
    if "$.transcription_config" in problem or "$.turn_config" in problem:
        return "invalid_config"
    return "invalid_message"


def _check(start: StartRecognition) -> None:
    config = start.transcription_config
    if config.model != "linden-1":
        raise Refused("invalid_model", f"model {config.model!r} is not known; give linden-1")
    _check_language(config.language)
    speakers = config.speaker_diarization_config
    if speakers is UNSET or config.diarization == "speaker":
        return
    if speakers.get_speakers or speakers.speakers is not UNSET:
        raise Refused("invalid_config", "get_speakers and speakers need diarization: speaker")


def _check_language(language: str) -> None:
    if language != "en":
        raise Refused("invalid_language", f"language {language!r}: this sandbox hears only en")


def recognition_started(session_id: str) -> dict[str, Any]:
    return {
        "message": "RecognitionStarted",
        "id": session_id,
        "orchestrator_version": "sandbox",
        "language_pack_info": {
            "word_delimiter": " ",
            "language_description": "English",
            "writing_direction": "left-to-right",
            "itn": True,
            "adapted": False,
        },
    }


def audio_added(seq_no: int) -> dict[str, Any]:
    return {"message": "AudioAdded", "seq_no": seq_no}


def speech_started(at: float) -> dict[str, Any]:
    return {"message": "SpeechStarted", "metadata": {"start_time": _time(at)}}


def speech_ended(at: float) -> dict[str, Any]:
    return {"message": "SpeechEnded", "metadata": {"end_time": _time(at)}}


def start_of_turn(at: float) -> dict[str, Any]:
    return {"message": "StartOfTurn", "metadata": {"start_time": _time(at)}}


def end_of_turn(at: float) -> dict[str, Any]:
    return {"message": "EndOfTurn", "metadata": {"end_time": _time(at)}}


def partial_segment(
    text: str, start: float, end: float, speaker: str | None = None
) -> dict[str, Any]:
    return _segment("AddPartialSegment", text, start, end, speaker)


def segment(text: str, start: float, end: float, speaker: str | None = None) -> dict[str, Any]:
    return _segment("AddSegment", text, start, end, speaker)


def _segment(name: str, text: str, start: float, end: float, speaker: str | None) -> dict[str, Any]:
    said = {"transcript": text} if speaker is None else {"transcript": text, "speaker": speaker}
    times = {"start_time": _time(start), "end_time": _time(end)}
    return {"message": name, "segment": said, "metadata": times}


def speakers_result() -> dict[str, Any]:
    return {"message": "SpeakersResult", "speakers": []}


def end_of_transcript() -> dict[str, Any]:
    return {"message": "EndOfTranscript"}


def warning(type: str | None, reason: str) -> dict[str, Any]:
    kind = {} if type is None else {"type": type}
    return {"message": "Warning", **kind, "reason": reason}


def error(type: str, reason: str) -> dict[str, Any]:
    return {"message": "Error", "type": type, "reason": reason}


def _time(seconds: float) -> float:
    return round(seconds, 3)
