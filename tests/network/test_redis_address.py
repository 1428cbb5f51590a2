"""Addresses of Redis: what is understood, what is refused, and that no password is shown."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.network.redis_address import parse


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://localhost", "localhost:6379"),
        ("redis://localhost:6380/3", "localhost:6380"),
        ("redis://user:secret@[::1]:6380", "[::1]:6380"),
        ("rediss://:secret@redis.example?ssl_ca_certs=/etc/ca.pem", "redis.example:6379"),
        ("unix:///run/redis/redis.sock?db=1&password=secret", "/run/redis/redis.sock"),
    ],
)
def test_an_address_is_shown_without_its_password(text: str, shown: str) -> None:
    address = parse(text)
    assert address.shown == shown
    assert address.url.reveal() == text
    assert "secret" not in repr(address)
    assert ("secret" in text) == ("secret" in set(address.secrets()))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("localhost:6379", "begins with redis://"),
        ("http://localhost", "begins with redis://"),
        ("redis://", "give the host"),
        ("redis:///0", "give the host"),
        ("redis://host/name", "number of the database"),
        ("redis://host:port", "%2F"),
        ("redis://:pa/ss@host", "%2F"),
        ("redis://:pa#ss@host", "%23"),
        ("redis://host?timeout=3", "allows only db"),
        ("redis://host?ssl_ca_certs=/x", "allows only db"),
        ("unix://run/redis.sock", "three slashes"),
        ("redis://a b", "spaces"),
    ],
)
def test_a_wrong_address_is_refused_with_what_to_give(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(text)


@given(st.text(max_size=60).map("redis://".__add__) | st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert parse(text).shown
