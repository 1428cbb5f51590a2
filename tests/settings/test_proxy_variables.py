"""Settings of the topic: proxies."""

from pathlib import Path

import pytest
from tests.settings.environment import NO_FILE, given_that
from tests.settings.topic_tests import PrivateTopicTests

from avr_sts_speechmatics.network.proxies import parse
from avr_sts_speechmatics.settings import load, load_and_warn
from avr_sts_speechmatics.settings.proxy_variables import ProxyVariables

_ADDRESS = "give the address of a proxy, such as http://proxy:3128"


class TestProxyVariables(PrivateTopicTests):
    topic = ProxyVariables
    defaults = (
        ("HTTPS_PROXY", None),
        ("HTTP_PROXY", None),
        ("ALL_PROXY", None),
        ("NO_PROXY", ()),
    )
    good = (
        ("HTTPS_PROXY", "http://me:pass@proxy:3128", parse("http://me:pass@proxy:3128")),
        ("HTTP_PROXY", "proxy:3128", parse("http://proxy:3128")),
        ("ALL_PROXY", "socks5://proxy", parse("socks5://proxy")),
        ("NO_PROXY", "a.example, .B.example,10.0.0.0/8", ("a.example", ".b.example", "10.0.0.0/8")),
    )
    wrong = ()
    private = (
        ("HTTPS_PROXY", "ftp://me:very-secret@proxy", _ADDRESS),
        ("HTTP_PROXY", "me:very-secret@proxy:port", _ADDRESS),
        ("ALL_PROXY", "very-secret proxy", _ADDRESS),
    )
    free_text = ("NO_PROXY",)
    # Every value that can be wrong may contain a password.
    test_a_wrong_value_is_one_sentence_with_name_value_and_what_is_allowed = None  # type: ignore[assignment]


@pytest.mark.parametrize("name", ["https_proxy", "http_proxy", "all_proxy"])
def test_the_names_that_curl_knows_are_read_too(name: str) -> None:
    assert getattr(given_that(**{name: "proxy:1"}), name) == parse("proxy:1")
    assert given_that(no_proxy="a.example").no_proxy == ("a.example",)


def test_a_file_may_name_a_proxy(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("https_proxy=http://proxy:3128\nNO_PROXY=a.example\n")
    proxies = load({}, file).proxies
    assert proxies.for_url("https://a.example") is None
    assert proxies.for_url("https://b.example") is not None
    assert not load_and_warn({}, file).warnings


def test_the_password_of_a_proxy_is_a_secret_and_its_host_is_not() -> None:
    chosen = load({"HTTPS_PROXY": "http://me:p%40ssword-1@proxy.example:3128"}, NO_FILE)
    assert set(chosen.secrets()) == {"p%40ssword-1", "p@ssword-1"}
