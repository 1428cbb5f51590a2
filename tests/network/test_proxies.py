"""Which proxy leads to an address, as curl would decide; and what a proxy's refusal means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.network.proxies import (
    DIRECT,
    Proxies,
    Proxy,
    ProxyFailed,
    failure_of,
    no_proxy,
)
from avr_sts_speechmatics.network.proxies import parse as proxy

NAMES = st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8}){0,3}", fullmatch=True).filter(
    lambda name: name.rpartition(".")[2] != "localhost"
)


def shown(chosen: Proxy | None) -> str:
    return "direct" if chosen is None else f"{chosen.shown} by {chosen.variable}"


def through(exempt: str, url: str) -> bool:
    found = Proxies(proxy("p:1"), proxy("p:1"), exempt=no_proxy(exempt)).for_url(url)
    return found is not None


# --- which proxy ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "chosen"),
    [
        ("https://api.openai.com/v1", "secure:1 by HTTPS_PROXY"),
        ("wss://eu.rt.speechmatics.com/v2", "secure:1 by HTTPS_PROXY"),
        ("http://llm.example:8000/v1", "plain:2 by HTTP_PROXY"),
        ("ws://stt.example/v2", "plain:2 by HTTP_PROXY"),
        ("http://10.1.2.3/", "plain:2 by HTTP_PROXY"),
    ],
)
def test_the_scheme_decides_which_proxy_is_asked(url: str, chosen: str) -> None:
    assert shown(Proxies(proxy("secure:1"), proxy("http://plain:2/")).for_url(url)) == chosen


def test_all_proxy_stands_in_for_what_is_not_set() -> None:
    some = Proxies(https=proxy("secure:1"), all=proxy("other:3"))
    assert shown(some.for_url("https://a.example")) == "secure:1 by HTTPS_PROXY"
    assert shown(some.for_url("ws://a.example")) == "other:3 by ALL_PROXY"
    assert shown(Proxies(https=proxy("secure:1")).for_url("http://a.example")) == "direct"
    assert shown(DIRECT.for_url("https://a.example")) == "direct"


@pytest.mark.parametrize(
    "host",
    "localhost LOCALHOST. a.localhost 127.0.0.1 127.8.9.1:80 [::1]:9 [::ffff:127.0.0.1]".split(),
)
@pytest.mark.parametrize("scheme", ["http", "https", "ws", "wss"])
def test_this_machine_is_never_reached_through_a_proxy(scheme: str, host: str) -> None:
    assert not through("", f"{scheme}://{host}/v1")


@pytest.mark.parametrize(
    ("exempt", "url", "proxied"),
    [
        ("example.com", "https://example.com/", False),
        ("example.com", "https://api.Example.COM./", False),
        ("example.com", "https://notexample.com/", True),
        (".example.com", "https://api.example.com/", False),
        (".example.com", "https://example.com/", False),
        ("*.example.com", "https://api.example.com/", False),
        ("api.example.com", "https://example.com/", True),
        ("https://api.example.com/", "https://api.example.com/", False),
        ("example.com:8443", "https://example.com:8443/", False),
        ("example.com:8443", "https://example.com/", True),
        ("example.com:443", "wss://example.com/v2", False),
        ("example.com:80", "ws://example.com/v2", False),
        ("a.test, b.test c.test", "https://c.test/", False),
        ("*", "https://anything.example/", False),
        ("10.0.0.5", "http://10.0.0.5:8000/", False),
        ("10.0.0.5", "http://10.0.0.50/", True),
        ("10.0.0.5:8000", "http://10.0.0.5:8000/", False),
        ("10.0.0.5:8000", "http://10.0.0.5/", True),
        ("10.0.0.0/8", "http://10.200.1.2/", False),
        ("10.0.0.1/8", "http://10.200.1.2/", False),
        ("10.0.0.0/8", "http://11.0.0.1/", True),
        ("10.0.0.0/8", "http://ten.example/", True),
        ("fd00::/8", "http://[fd12::1]:80/", False),
        ("fd12::1", "http://[fd12:0::1]/", False),
        ("[fd12::1]:80", "http://[fd12::1]/", False),
        ("[fd12::1]:81", "http://[fd12::1]/", True),
        ("192.168.*", "http://192.168.1.2/", True),
        ("db*.example", "http://db7.example/", False),
        ("", "http://a.example/", True),
        (",, ,", "http://a.example/", True),
        (".", "http://a.example/", True),
        ("a.example:port", "http://a.example/", True),
        ("10.0.0.0/99", "http://10.0.0.1/", True),
    ],
)
def test_no_proxy_names_hosts_domains_addresses_and_networks(
    exempt: str, url: str, proxied: bool
) -> None:
    assert through(exempt, url) is proxied


@given(NAMES, NAMES)
def test_a_domain_exempts_itself_and_its_subdomains_only(domain: str, other: str) -> None:
    assert not through(domain, f"https://{domain}/")
    assert not through(f".{domain}", f"https://{other}.{domain}/")
    assert through(domain, f"https://{other}{domain}x/")


@given(st.text(max_size=40))
def test_any_text_may_stand_in_no_proxy(text: str) -> None:
    assert through(text, "https://a.example/") in (True, False)


# --- addresses of proxies -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "url", "at"),
    [
        ("proxy:3128", "http://proxy:3128", "proxy:3128"),
        ("http://proxy", "http://proxy", "proxy"),
        ("https://proxy:8443/", "https://proxy:8443", "proxy:8443"),
        ("http://[fd12::1]:3128", "http://[fd12::1]:3128", "[fd12::1]:3128"),
        ("http://me:p%40ss@proxy:1", "http://me:p%40ss@proxy:1", "proxy:1"),
        ("me:p@ss@proxy:1", "http://me:p%40ss@proxy:1", "proxy:1"),
    ],
)
def test_the_address_of_a_proxy_is_taken_as_people_write_it(text: str, url: str, at: str) -> None:
    found = proxy(text)
    assert (found.url.reveal(), found.shown) == (url, at)
    assert "ss" not in repr(found)


def test_a_password_is_a_secret_as_written_and_as_meant() -> None:
    assert set(proxy("http://me:p%40ssword@proxy").secrets()) == {"p%40ssword", "p@ssword"}
    assert set(proxy("http://proxy").secrets()) == set()


@pytest.mark.parametrize(
    "text",
    ["http://", "ftp://proxy", "a b", "http://proxy/path", "http://proxy:99999", "//"],
)
def test_what_is_no_address_of_a_proxy_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        proxy(text)


@pytest.mark.parametrize("scheme", ["socks", "socks4", "socks5", "socks5h"])
def test_a_socks_proxy_is_an_error_only_where_it_would_be_asked(scheme: str) -> None:
    # Desktops set it beside the other two, for other programs.
    some = Proxies(https=proxy("p:1"), all=proxy(f"{scheme}://me:pass@s:1080"))
    assert shown(some.for_url("https://a.example")) == "p:1 by HTTPS_PROXY"
    assert shown(some.for_url("http://127.0.0.1")) == "direct"
    with pytest.raises(SettingsError) as caught:
        some.for_url("http://a.example")
    assert str(caught.value).startswith(f"ALL_PROXY: {scheme}://s:1080 is a SOCKS proxy")
    assert "NO_PROXY" in str(caught.value)


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "status", "sign", "retryable"),
    [
        ("p:1", 407, "write both into HTTPS_PROXY", False),
        ("me:pass@p:1", 407, "does not accept the user name and password in HTTPS_PROXY", False),
        ("p:1", 403, "NO_PROXY", False),
        ("p:1", 404, "status 404", False),
        ("p:1", 502, "status 502", True),
        ("p:1", 429, "status 429", True),
    ],
)
def test_a_refusal_says_what_to_do(text: str, status: int, sign: str, retryable: bool) -> None:
    chosen = Proxies(https=proxy(text)).for_url("https://a.example")
    assert chosen is not None
    failed = chosen.refusal(status)
    assert str(failed).startswith("the proxy p:1 ")
    assert sign in str(failed)
    assert str(status) in str(failed)
    assert failed.retryable is retryable
    assert "pass@" not in str(failed)


def test_an_error_that_is_not_the_proxys_is_left_alone() -> None:
    one = proxy("p:1")
    assert failure_of(OSError("no route"), one) is None
    assert failure_of(ProxyFailed("x", retryable=True), None) is None
    failed = ProxyFailed("x", retryable=True)
    wrapped = OSError("y")
    wrapped.__cause__ = failed
    failed.__cause__ = wrapped  # a circle must not be an endless one
    assert failure_of(wrapped, one) is failed
