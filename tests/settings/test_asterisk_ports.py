"""Settings of the topic: calls straight from Asterisk."""

from tests.settings.topic_tests import TopicTests

from avr_sts_speechmatics.settings.asterisk_ports import AsteriskPorts


class TestAsteriskPorts(TopicTests):
    topic = AsteriskPorts
    defaults = (
        ("AUDIOSOCKET_PORT", 5001),
        ("AUDIOSOCKET_G711", "auto"),
        ("HTTP_PORT", 6001),
        ("REQUIRE_CALL", False),
    )
    good = (
        ("AUDIOSOCKET_PORT", "5002", 5002),
        ("AUDIOSOCKET_PORT", "0", None),
        ("AUDIOSOCKET_G711", "ALAW", "alaw"),
        ("HTTP_PORT", "6002", 6002),
        ("HTTP_PORT", "0", None),
        ("REQUIRE_CALL", "true", True),
    )
    wrong = (
        ("AUDIOSOCKET_PORT", "65536", "1 to 65535, or 0 for none"),
        ("AUDIOSOCKET_G711", "g711", "auto, ulaw, alaw"),
        ("HTTP_PORT", "none", "1 to 65535, or 0 for none"),
        ("REQUIRE_CALL", "sometimes", "true or false"),
    )
