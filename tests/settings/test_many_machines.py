"""Settings of the topic: what machines share."""

import pytest
from tests.doctor.surroundings import NO_FILE
from tests.settings.topic_tests import TopicTests

from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.network.redis_address import parse
from avr_sts_speechmatics.settings import load
from avr_sts_speechmatics.settings.many_machines import ManyMachines


class TestManyMachines(TopicTests):
    topic = ManyMachines
    defaults = (
        ("WORKERS", 1),
        ("REDIS_URL", None),
        ("REDIS_PREFIX", "avr-sts-speechmatics:"),
    )
    good = (
        ("WORKERS", "8", 8),
        ("WORKERS", "Auto", None),
        ("REDIS_URL", "redis://host/1", parse("redis://host/1")),
        ("REDIS_URL", "unix:///run/redis.sock", parse("unix:///run/redis.sock")),
        ("REDIS_PREFIX", "shop-2:", "shop-2:"),
    )
    wrong = (
        ("WORKERS", "0", "from 1 to 64, or auto"),
        ("WORKERS", "all", "from 1 to 64, or auto"),
        ("REDIS_PREFIX", "a*", "plain name"),
        ("REDIS_PREFIX", "a" * 101, "at most 100"),
    )
    private = (("REDIS_URL", "http://:very-secret@host", "redis://, rediss:// or unix://"),)


def test_the_password_of_redis_is_a_secret() -> None:
    chosen = load({"REDIS_URL": "rediss://:hunter2hunter2@redis.example:6380/1"}, NO_FILE)
    assert chosen.redis_url is not None
    assert chosen.redis_url.shown == "redis.example:6380"
    assert "hunter2hunter2" in set(chosen.secrets())
    assert "hunter2" not in repr(chosen)


def test_a_wrong_address_is_not_shown() -> None:
    with pytest.raises(SettingsError, match="REDIS_URL") as error:
        load({"REDIS_URL": "redis://:hunter2/x@redis.example"}, NO_FILE)
    assert "hunter2" not in str(error.value)
