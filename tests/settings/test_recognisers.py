"""Settings of the topic: recognisers besides Agent STT."""

from tests.settings.topic_tests import TopicTests

from avr_sts_speechmatics.settings.recognisers import Recognisers


class TestRecognisers(TopicTests):
    topic = Recognisers
    defaults = (
        ("STT_SILENCE_MS", 600.0),
        ("STT_MAX_DELAY_MS", 1000.0),
    )
    good = (
        ("STT_SILENCE_MS", "450", 450.0),
        ("STT_MAX_DELAY_MS", "700", 700.0),
    )
    wrong = (
        ("STT_SILENCE_MS", "0.6", "200 to 2000"),
        ("STT_MAX_DELAY_MS", "5000", "700 to 4000"),
    )
