"""What machines share, as operators set it."""

import pytest
from tests.doctor.surroundings import NO_FILE

from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.settings import load


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


@pytest.mark.parametrize("prefix", ["a*", "a b", "caf\u00e9:", "a" * 101])
def test_a_prefix_is_plain(prefix: str) -> None:
    with pytest.raises(SettingsError, match="REDIS_PREFIX"):
        load({"REDIS_PREFIX": prefix}, NO_FILE)


def test_a_prefix_is_used_as_it_is() -> None:
    assert load({"REDIS_PREFIX": "shop-2:"}, NO_FILE).redis_prefix == "shop-2:"
