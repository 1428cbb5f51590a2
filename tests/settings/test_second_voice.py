"""Settings of the topic: the second voice."""

from tests.settings.topic_tests import TopicTests

from avr_sts_speechmatics.settings.second_voice import SecondVoice
from avr_sts_speechmatics.values import Secret


class TestSecondVoice(TopicTests):
    topic = SecondVoice
    defaults = (
        ("VOICE_FALLBACK", None),
        ("OPENAI_TTS_URL", None),
        ("OPENAI_TTS_API_KEY", None),
        ("OPENAI_TTS_MODEL", "gpt-4o-mini-tts"),
        ("OPENAI_TTS_VOICE", "nova"),
    )
    good = (
        ("VOICE_FALLBACK", "OpenAI", "openai"),
        ("OPENAI_TTS_URL", "http://localhost:8880/v1/", "http://localhost:8880/v1"),
        ("OPENAI_TTS_API_KEY", "k3", Secret("k3")),
        ("OPENAI_TTS_MODEL", "kokoro", "kokoro"),
        ("OPENAI_TTS_VOICE", "voices/anna.wav", "voices/anna.wav"),
    )
    wrong = (
        ("VOICE_FALLBACK", "piper", "openai"),
        ("OPENAI_TTS_URL", "localhost:8880", "http:// or https://"),
        ("OPENAI_TTS_MODEL", "gpt tts", "plain name"),
        ("OPENAI_TTS_VOICE", "nova?", "plain name"),
    )
