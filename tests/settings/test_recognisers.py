"""Settings of the topic: recognisers besides Agent STT."""

from tests.settings.topic_tests import TopicTests

from avr_sts_speechmatics.settings.recognisers import Recognisers
from avr_sts_speechmatics.values import Secret


class TestRecognisers(TopicTests):
    topic = Recognisers
    defaults = (
        ("STT_SILENCE_MS", 600.0),
        ("STT_MAX_DELAY_MS", 1000.0),
        ("OPENAI_STT_URL", None),
        ("OPENAI_STT_API_KEY", None),
        ("OPENAI_STT_MODEL", None),
    )
    good = (
        ("STT_SILENCE_MS", "450", 450.0),
        ("STT_MAX_DELAY_MS", "700", 700.0),
        ("OPENAI_STT_URL", "http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("OPENAI_STT_API_KEY", "k3", Secret("k3")),
        ("OPENAI_STT_MODEL", "Systran/faster-whisper-small", "Systran/faster-whisper-small"),
    )
    wrong = (
        ("STT_SILENCE_MS", "0.6", "200 to 2000"),
        ("STT_MAX_DELAY_MS", "5000", "700 to 4000"),
        ("OPENAI_STT_URL", "http://localhost:8000/v1/realtime", "is appended"),
        ("OPENAI_STT_MODEL", "whisper small", "plain name"),
    )
