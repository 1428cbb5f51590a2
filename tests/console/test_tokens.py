"""Tokens, sessions and wrong tries."""

from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.console.tokens import SESSION_S, Tokens, WrongTries
from avr_sts_speechmatics.values import Secret

TOKEN, OTHER = "first-0123456789", "second-0123456789"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


def tokens(*texts: str, clock: Clock | None = None) -> Tokens:
    return Tokens([Secret(text) for text in texts], now=clock or Clock())


@given(st.text())
def test_nothing_but_a_token_is_valid(text: str) -> None:
    assert tokens(TOKEN, OTHER).valid(text) == (text in (TOKEN, OTHER))


def test_a_session_is_known_to_every_process_with_the_token() -> None:
    session = tokens(TOKEN).begin_session(TOKEN)
    assert tokens(OTHER, TOKEN).session(session.value) == session
    assert tokens(OTHER).session(session.value) is None, "the token was taken out"


def test_a_session_ends() -> None:
    clock = Clock()
    one = tokens(TOKEN, clock=clock)
    session = one.begin_session(TOKEN)
    clock.time += SESSION_S - 1
    assert one.session(session.value) is not None
    clock.time += 1
    assert one.session(session.value) is None


@given(st.integers(min_value=0, max_value=73), st.sampled_from("ABCxyz019-_="))
def test_a_session_with_one_other_letter_is_forged(at: int, letter: str) -> None:
    one = tokens(TOKEN)
    value = one.begin_session(TOKEN).value
    changed = value[:at] + letter + value[at + 1 :]
    assert changed == value or one.session(changed) is None


def test_wrong_tries_count_for_a_minute_and_for_one_address() -> None:
    clock = Clock()
    tries = WrongTries(now=clock)
    for _ in range(5):
        assert tries.wait_s("10.0.0.5") == 0
        tries.add("10.0.0.5")
        clock.time += 10
    assert tries.wait_s("10.0.0.5") == 10
    assert tries.wait_s("10.0.0.6") == 0
    clock.time += 10
    assert tries.wait_s("10.0.0.5") == 0
    tries.add("10.0.0.5")
    assert tries.wait_s("10.0.0.5") == 10, "the last five count"


def test_the_addresses_of_one_client_with_ipv6_count_together() -> None:
    tries = WrongTries(tries=1)
    tries.add("2001:db8::1")
    assert tries.wait_s("2001:db8::ffff") > 0
    assert tries.wait_s("2001:db8:0:1::1") == 0
    tries.add("::ffff:10.0.0.5")
    assert tries.wait_s("::ffff:10.0.0.6") == 0, "another client"


def test_memory_is_bounded_and_further_addresses_share_one_count() -> None:
    clock = Clock()
    tries = WrongTries(tries=2, addresses=3, now=clock)
    for number in range(20):
        tries.add(f"10.0.0.{number}")
    assert len(tries) <= 4
    assert tries.wait_s("10.0.0.99") > 0
    clock.time += 61
    tries.add("10.0.0.99")
    assert len(tries) == 1
    assert tries.wait_s("10.0.0.98") == 0
