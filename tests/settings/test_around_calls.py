"""Settings of the topic: webhooks, cost and background noise."""

from pathlib import Path

from tests.settings.topic_tests import PrivateTopicTests

from avr_sts_speechmatics.settings.around_calls import AroundCalls
from avr_sts_speechmatics.values import Secret


class TestAroundCalls(PrivateTopicTests):
    topic = AroundCalls
    defaults = (
        ("WEBHOOK_URL", None),
        ("WEBHOOK_SECRET", None),
        ("WEBHOOK_TIMEOUT", 3000.0),
        ("WEBHOOK_RETRY", 0),
        ("PRICES_FILE", None),
        ("MAX_COST", 0.0),
        ("AMBIENT_NOISE_FILE", None),
        ("AMBIENT_NOISE_LEVEL", 0.1),
    )
    good = (
        ("WEBHOOK_URL", "https://here/hooks/", "https://here/hooks/"),
        ("WEBHOOK_SECRET", "k5", Secret("k5")),
        ("WEBHOOK_TIMEOUT", "500", 500.0),
        ("WEBHOOK_RETRY", "2", 2),
        ("PRICES_FILE", __file__, Path(__file__)),
        ("MAX_COST", "0.5", 0.5),
        ("AMBIENT_NOISE_FILE", __file__, Path(__file__)),
        ("AMBIENT_NOISE_LEVEL", "0.25", 0.25),
    )
    wrong = (
        ("WEBHOOK_TIMEOUT", "0", "milliseconds from 1 to 60000"),
        ("WEBHOOK_RETRY", "11", "from 0 to 10"),
        ("PRICES_FILE", "/no/such/file.yaml", "path of a readable file"),
        ("MAX_COST", "-1", "from 0 to"),
        ("MAX_COST", "nan", "from 0 to"),
        ("AMBIENT_NOISE_FILE", "/no/such/file.wav", "path of a readable file"),
        ("AMBIENT_NOISE_LEVEL", "10", "from 0 to 1"),
    )
    private = (("WEBHOOK_URL", "hooks.example/very-secret", "http:// or https://"),)
