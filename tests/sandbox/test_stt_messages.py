"""The closed schemas of Agent STT."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.sandbox import stt_messages
from avr_sts_speechmatics.sandbox.stt_messages import Refused, StartRecognition, parse

FULL: dict[str, Any] = {
    "message": "StartRecognition",
    "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 8000},
    "transcription_config": {
        "language": "en",
        "model": "linden-1",
        "enable_partials": True,
        "emit_sentences": False,
        "diarization": "speaker",
        "speaker_diarization_config": {
            "speaker_sensitivity": 0.7,
            "max_speakers": 2,
            "prefer_current_speaker": True,
            "get_speakers": True,
            "speakers": [{"label": "Anna", "speaker_identifiers": ["abc"]}],
        },
        "additional_vocab": ["Brandvoll", {"content": "Siobhan", "sounds_like": ["shiv awn"]}],
        "domain": "medical",
        "output_locale": "en-GB",
        "transcript_filtering_config": {
            "remove_disfluencies": True,
            "replacements": [{"from": "a", "to": "b"}],
        },
    },
    "turn_config": {"turn_detection_mode": "external"},
}


def changed(path: str, value: object) -> str:
    """FULL as text, with one field set to another value; `...` removes it."""
    message = copy.deepcopy(FULL)
    *parents, name = path.split(".")
    table = message
    for parent in parents:
        table = table[parent]
    if value is ...:
        del table[name]
    else:
        table[name] = value
    return json.dumps(message)


def refusal(text: str) -> Refused:
    with pytest.raises(Refused) as caught:
        parse(text)
    return caught.value


def test_all_fields_of_the_reference_are_accepted() -> None:
    start = parse(json.dumps(FULL))
    assert isinstance(start, StartRecognition)
    assert start.wants_speakers
    assert start.audio_format.bytes_per_second == 16_000
    assert start.turn_config.turn_detection_mode == "external"


@pytest.mark.parametrize(
    ("path", "value", "type"),
    [
        ("audio_format.encoding", "mulaw", "invalid_audio_type"),
        ("audio_format.sample_rate", 44_100, "invalid_audio_type"),
        ("audio_format.type", "file", "invalid_audio_type"),
        ("audio_format.sample_rate", ..., "invalid_audio_type"),
        ("transcription_config.model", "enhanced", "invalid_model"),
        ("transcription_config.model", ..., "invalid_config"),
        ("transcription_config.language", "de", "invalid_language"),
        ("transcription_config.language", ..., "invalid_config"),
        ("transcription_config.max_delay", 1, "invalid_config"),
        ("transcription_config.operating_point", "enhanced", "invalid_config"),
        ("transcription_config.diarization", "none", "invalid_config"),
        ("transcription_config.enable_partials", "yes", "invalid_config"),
        ("turn_config.turn_detection_mode", "adaptive", "invalid_config"),
        ("translation_config", {}, "invalid_message"),
        ("audio_format", ..., "invalid_message"),
        ("message", "StartRecognitoin", "invalid_message"),
        ("message", ..., "invalid_message"),
    ],
)
def test_values_outside_the_reference_are_refused(path: str, value: object, type: str) -> None:
    assert refusal(changed(path, value)).type == type


@pytest.mark.parametrize("label", ["S1", "S12", "UU", " Anna", "Anna ", ""])
def test_a_label_that_looks_like_the_servers_own_is_refused(label: str) -> None:
    speakers = [{"label": label, "speaker_identifiers": []}]
    path = "transcription_config.speaker_diarization_config.speakers"
    assert refusal(changed(path, speakers)).type == "invalid_config"


@given(st.text(min_size=1).filter(lambda name: name not in ("message", "last_seq_no")))
def test_an_unknown_field_is_refused_and_named(name: str) -> None:
    refused = refusal(json.dumps({"message": "EndOfStream", "last_seq_no": 1, name: 1}))
    assert refused.type == "invalid_message"
    assert name in refused.reason


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"StartRecognition"', "{}"])
def test_text_that_is_not_a_message_is_refused(text: str) -> None:
    assert refusal(text).type == "invalid_message"


def test_force_end_of_utterance_needs_a_timestamp() -> None:
    assert "timestamp" in refusal('{"message":"ForceEndOfUtterance"}').reason
    assert "timestamp" in refusal('{"message":"ForceEndOfUtterance","timestamp":-1}').reason


def test_only_enable_partials_can_be_changed_during_a_session() -> None:
    config = {"message": "SetRecognitionConfig", "transcription_config": {"enable_partials": True}}
    assert isinstance(parse(json.dumps(config)), stt_messages.SetRecognitionConfig)
    config["transcription_config"] = {"enable_partials": True, "language": "fr"}
    assert refusal(json.dumps(config)).type == "invalid_language"
    config["transcription_config"] = {"enable_partials": True, "model": "linden-1"}
    assert refusal(json.dumps(config)).type == "invalid_config"


def test_each_error_type_has_the_close_code_of_the_reference() -> None:
    codes = {type: Refused(type, "").close_code for type in ("quota_exceeded", "job_error")}
    assert codes == {"quota_exceeded": 4005, "job_error": 4013}
    assert Refused("invalid_message", "").close_code == 1003
