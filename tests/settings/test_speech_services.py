"""Settings of the topic: Speechmatics' STT and TTS."""

from pathlib import Path
from typing import Any

from tests.settings.topic_tests import TopicTests

from avr_sts_speechmatics.settings.speech_services import SpeechServices
from avr_sts_speechmatics.values import Secret


class TestSpeechServices(TopicTests):
    topic = SpeechServices
    defaults = (
        ("SPEECHMATICS_API_KEY", None),
        ("STT", "agent"),
        ("SPEECHMATICS_REGION", "eu"),
        ("SPEECHMATICS_RT_URL", None),
        ("SPEECHMATICS_TTS_URL", None),
        ("SPEECHMATICS_LANGUAGE", "en"),
        ("SPEECHMATICS_VOICE", "sarah"),
        ("SPEECHMATICS_MODEL", None),
        ("SPEECHMATICS_MAX_SESSIONS", None),
        ("SPEECHMATICS_ADDITIONAL_VOCAB", ()),
        ("PHRASE_CACHE_DIR", None),
    )
    good = (
        ("SPEECHMATICS_API_KEY", "k1", Secret("k1")),
        ("STT", "Agent", "agent"),
        ("STT", "realtime", "realtime"),
        ("STT", "openai", "openai"),
        ("SPEECHMATICS_REGION", "US", "us"),
        ("SPEECHMATICS_RT_URL", "ws://localhost:9000/v2/", "ws://localhost:9000/v2"),
        ("SPEECHMATICS_TTS_URL", "https://tts.example", "https://tts.example"),
        ("SPEECHMATICS_LANGUAGE", "es", "es"),
        ("SPEECHMATICS_LANGUAGE", "cmn_en", "cmn_en"),
        ("SPEECHMATICS_VOICE", "theo", "theo"),
        ("SPEECHMATICS_MODEL", "linden-2", "linden-2"),
        ("SPEECHMATICS_MAX_SESSIONS", "50", 50),
        ("SPEECHMATICS_ADDITIONAL_VOCAB", "Brandvoll, AVR,", ("Brandvoll", "AVR")),
        ("PHRASE_CACHE_DIR", "/var/cache/none-yet", Path("/var/cache/none-yet")),
        ("PHRASE_CACHE_DIR", "Off", "off"),
    )
    wrong = (
        ("STT", "whisper", "agent"),
        ("SPEECHMATICS_REGION", "mars", "eu, us, global"),
        ("SPEECHMATICS_RT_URL", "https://eu.rt.speechmatics.com", "ws:// or wss://"),
        ("SPEECHMATICS_RT_URL", "eu.rt.speechmatics.com", "ws:// or wss://"),
        ("SPEECHMATICS_RT_URL", "wss://", "ws:// or wss://"),
        ("SPEECHMATICS_RT_URL", "ws://a..b/", "ws:// or wss://"),
        ("SPEECHMATICS_TTS_URL", "wss://tts.example", "http:// or https://"),
        ("SPEECHMATICS_TTS_URL", "http://tts.example:99999", "http:// or https://"),
        ("SPEECHMATICS_TTS_URL", "http://[::1", "http:// or https://"),
        ("SPEECHMATICS_TTS_URL", "http://tts example", "http:// or https://"),
        ("SPEECHMATICS_LANGUAGE", "en;de", "language code"),
        ("SPEECHMATICS_LANGUAGE", "German", "Speechmatics' code for the language, de"),
        ("SPEECHMATICS_LANGUAGE", "de-DE", "Speechmatics' code for the language, de"),
        ("SPEECHMATICS_LANGUAGE", "e" * 16, "language code"),
        ("SPEECHMATICS_VOICE", "sarah?x=1", "sarah, theo, megan or jack"),
        ("SPEECHMATICS_MODEL", "linden 1", "plain name"),
        ("SPEECHMATICS_MAX_SESSIONS", "0", "from 1 to 100000"),
        ("SPEECHMATICS_ADDITIONAL_VOCAB", '["a"', "separated by commas, or a JSON list"),
        ("SPEECHMATICS_ADDITIONAL_VOCAB", '[{"sounds_like": ["a"]}]', "JSON list"),
        ("SPEECHMATICS_ADDITIONAL_VOCAB", "[1]", "JSON list"),
        ("PHRASE_CACHE_DIR", __file__, "path of a directory, or off"),
        ("PHRASE_CACHE_DIR", "~nobody-at-all/x", "path of a directory, or off"),
    )

    def compared(self, name: str, value: Any) -> object:
        has_words = name == "SPEECHMATICS_ADDITIONAL_VOCAB"
        return tuple(word.content for word in value) if has_words else value
