"""Settings of the topic: voices. Which choices fit together is in `test_choice_of_voices`."""

from tests.settings.topic_tests import TopicTests

from avr_sts_speechmatics.settings.voice_services import VoiceServices
from avr_sts_speechmatics.values import Secret


class TestVoiceServices(TopicTests):
    topic = VoiceServices
    defaults = (
        ("TTS", "speechmatics"),
        ("VOICE_FALLBACK", None),
        ("OPENAI_TTS_URL", None),
        ("OPENAI_TTS_API_KEY", None),
        ("OPENAI_TTS_MODEL", "gpt-4o-mini-tts"),
        ("OPENAI_TTS_VOICE", "nova"),
        ("OPENAI_TTS_FORMAT", "pcm"),
    )
    good = (
        ("TTS", "HTTP", "http"),
        ("VOICE_FALLBACK", "OpenAI", "openai"),
        ("OPENAI_TTS_URL", "http://localhost:8880/v1/", "http://localhost:8880/v1"),
        ("OPENAI_TTS_API_KEY", "k3", Secret("k3")),
        ("OPENAI_TTS_MODEL", "kokoro", "kokoro"),
        ("OPENAI_TTS_VOICE", "voices/anna.wav", "voices/anna.wav"),
        ("OPENAI_TTS_VOICE", "af_heart(2)+af_sky(1)", "af_heart(2)+af_sky(1)"),
        ("OPENAI_TTS_FORMAT", "WAV", "wav"),
    )
    wrong = (
        ("TTS", "kokoro", "speechmatics, http"),
        ("VOICE_FALLBACK", "piper", "openai, speechmatics"),
        ("OPENAI_TTS_URL", "localhost:8880", "http:// or https://"),
        ("OPENAI_TTS_MODEL", "gpt tts", "plain name"),
        ("OPENAI_TTS_VOICE", "nova?", "plain name"),
        ("OPENAI_TTS_FORMAT", "mp3", "pcm, wav"),
    )
