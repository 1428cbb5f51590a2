"""Settings of the topic: failures, hangup, transfer."""

from typing import Any

from tests.settings.topic_tests import TopicTests

from avr_sts_speechmatics.settings.failures_and_transfer import FailuresAndTransfer
from avr_sts_speechmatics.values import Secret


class TestFailuresAndTransfer(TopicTests):
    topic = FailuresAndTransfer
    defaults = (
        ("ON_FAILURE", "hangup"),
        ("ON_BUSY", "hangup"),
        ("BUSY_MESSAGE", None),
        ("AMI_URL", None),
        ("AMI_HOST", None),
        ("AMI_PORT", 5038),
        ("AMI_USERNAME", "avr"),
        ("AMI_PASSWORD", None),
        ("TRANSFER_ALLOW", ()),
        ("TRANSFER_CONTEXT", "demo"),
        ("TRANSFER_PRIORITY", 1),
        ("FAREWELL_MARGIN_MS", 500.0),
    )
    good = (
        ("ON_FAILURE", "Close", "close"),
        ("ON_FAILURE", "transfer: 700", "transfer:700"),
        ("ON_BUSY", "Refuse", "refuse"),
        ("ON_BUSY", "transfer: 700", "transfer:700"),
        ("BUSY_MESSAGE", "Alles belegt.", "Alles belegt."),
        ("BUSY_MESSAGE", "", ""),
        ("AMI_URL", "http://avr-ami:6006/", "http://avr-ami:6006"),
        ("AMI_HOST", "avr-asterisk", "avr-asterisk"),
        ("AMI_HOST", "fe80::1", "fe80::1"),
        ("AMI_PORT", "5039", 5039),
        ("AMI_USERNAME", "agent", "agent"),
        ("AMI_PASSWORD", "k4", Secret("k4")),
        ("TRANSFER_ALLOW", " 700, _2XXX,", ("700", "_2XXX")),
        ("TRANSFER_CONTEXT", "from-agent.1", "from-agent.1"),
        ("TRANSFER_PRIORITY", "2", 2),
        ("FAREWELL_MARGIN_MS", "0", 0.0),
    )
    wrong = (
        ("ON_FAILURE", "transfer", "transfer:700"),
        ("ON_FAILURE", "transfer:7 00", "transfer:700"),
        ("ON_FAILURE", "close:700", "hangup, close"),
        ("ON_BUSY", "close", "hangup, refuse, or transfer:<extension>"),
        ("ON_BUSY", "transfer:7 00", "transfer:700"),
        ("BUSY_MESSAGE", "Sorry, {from}.", "without { and }"),
        ("AMI_URL", "avr-ami:6006", "http:// or https://"),
        ("AMI_HOST", "avr-asterisk:5038", "without a port"),
        ("AMI_HOST", "[::1]", "without a port"),
        ("AMI_PORT", "0", "1 to 65535"),
        ("AMI_USERNAME", "the agent", "plain name"),
        ("TRANSFER_ALLOW", "700;701", "extension"),
        ("TRANSFER_ALLOW", "_", "after _"),
        ("TRANSFER_CONTEXT", "from agent", "letters, digits, and - _ ."),
        ("TRANSFER_PRIORITY", "0", "from 1 to 999"),
        ("FAREWELL_MARGIN_MS", "-1", "milliseconds from 0 to 10000"),
    )

    def compared(self, name: str, value: Any) -> object:
        return tuple(pattern.text for pattern in value) if name == "TRANSFER_ALLOW" else value
