"""Settings of the topic: where the service listens."""

from tests.doctor.surroundings import NO_FILE
from tests.settings.topic_tests import PrivateTopicTests

from avr_sts_speechmatics.settings import load
from avr_sts_speechmatics.settings.listening import Listening
from avr_sts_speechmatics.values import Secret

ONE, OTHER = "first-0123456789", "second-0123456789"


class TestListening(PrivateTopicTests):
    topic = Listening
    defaults = (
        ("HOST", "127.0.0.1"),
        ("PORT", 6040),
        ("EXTRA_PORTS", (6033,)),
        ("MAX_CALLS", 1000),
        ("OVERLOAD_LAG_MS", 30.0),
        ("DRAIN_S", 20.0),
        ("ON_DRAIN", "hangup"),
        ("TRY_SERVICES", True),
        ("READY_NEEDS_CLOUDS", False),
        ("CONSOLE_TOKEN", ()),
    )
    good = (
        ("HOST", "0.0.0.0", "0.0.0.0"),
        ("PORT", " 6050 ", 6050),
        ("EXTRA_PORTS", "6033, 6034,6033", (6033, 6034)),
        ("EXTRA_PORTS", "", ()),
        ("MAX_CALLS", "1", 1),
        ("OVERLOAD_LAG_MS", "0", 0.0),
        ("DRAIN_S", "0.5", 0.5),
        ("ON_DRAIN", "close", "close"),
        ("ON_DRAIN", "transfer: 700", "transfer:700"),
        ("TRY_SERVICES", "false", False),
        ("READY_NEEDS_CLOUDS", "true", True),
        ("CONSOLE_TOKEN", ONE, (Secret(ONE),)),
        ("CONSOLE_TOKEN", f"{ONE}, {OTHER},{ONE}", (Secret(ONE), Secret(OTHER))),
    )
    wrong = (
        ("TRY_SERVICES", "maybe", "true"),
        ("READY_NEEDS_CLOUDS", "maybe", "true"),
        ("HOST", "a..b", "host name or an address"),
        ("HOST", "http://localhost", "host name or an address"),
        ("HOST", "127.0.0.1:6040", "without a port"),
        ("PORT", "60400x", "1 to 65535"),
        ("PORT", "0", "1 to 65535"),
        ("PORT", "65536", "1 to 65535"),
        ("EXTRA_PORTS", "6033;6034", "separated by commas"),
        ("EXTRA_PORTS", "6033,0", "1 to 65535"),
        ("MAX_CALLS", "0", "from 1 to 100000"),
        ("MAX_CALLS", "1.5", "whole number"),
        ("OVERLOAD_LAG_MS", "-1", "milliseconds from 0 to 10000"),
        ("ON_DRAIN", "transfer", "hangup, close, or transfer:<extension>"),
        ("DRAIN_S", "-1", "number of seconds from 0 to 3600"),
        ("DRAIN_S", "nan", "number of seconds from 0 to 3600"),
        ("DRAIN_S", "soon", "number of seconds from 0 to 3600"),
    )
    private = (
        ("CONSOLE_TOKEN", "very-secret", "openssl rand -hex 24"),
        ("CONSOLE_TOKEN", f"{ONE},very-secret", "at least 16 characters"),
        ("CONSOLE_TOKEN", f"very-secret-{ONE},,", "at least 16 characters"),
        ("CONSOLE_TOKEN", f"very-secret {ONE}", "without spaces"),
    )


def test_every_token_of_the_api_is_a_secret() -> None:
    chosen = load({"CONSOLE_TOKEN": f"{ONE},{OTHER}"}, NO_FILE)
    assert {ONE, OTHER} <= set(chosen.secrets())
    assert ONE not in repr(chosen)
