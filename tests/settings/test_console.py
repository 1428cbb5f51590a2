"""Settings of the topic: the API over calls."""

from tests.doctor.surroundings import NO_FILE
from tests.settings.topic_tests import PrivateTopicTests

from avr_sts_speechmatics.settings import load
from avr_sts_speechmatics.settings.console import Console
from avr_sts_speechmatics.values import Secret

ONE, OTHER = "first-0123456789", "second-0123456789"


class TestConsole(PrivateTopicTests):
    topic = Console
    defaults = (("CONSOLE_TOKEN", ()),)
    good = (
        ("CONSOLE_TOKEN", ONE, (Secret(ONE),)),
        ("CONSOLE_TOKEN", f"{ONE}, {OTHER},{ONE}", (Secret(ONE), Secret(OTHER))),
    )
    wrong = ()
    private = (
        ("CONSOLE_TOKEN", "very-secret", "openssl rand -hex 24"),
        ("CONSOLE_TOKEN", f"{ONE},very-secret", "at least 16 characters"),
        ("CONSOLE_TOKEN", f"very-secret-{ONE},,", "at least 16 characters"),
        ("CONSOLE_TOKEN", f"very-secret {ONE}", "without spaces"),
    )


def test_every_token_is_a_secret() -> None:
    chosen = load({"CONSOLE_TOKEN": f"{ONE},{OTHER}"}, NO_FILE)
    assert {ONE, OTHER} <= set(chosen.secrets())
    assert ONE not in repr(chosen)
