"""Proxies and announced ends are shown before they hurt."""

from datetime import date

import pytest
from tests.doctor.model_server import model_server
from tests.doctor.surroundings import environment, examine, free_port, looked_at, offline
from tests.http_proxy import http_proxy
from tests.webhook_target import webhook_target

from avr_sts_speechmatics import doctor
from avr_sts_speechmatics.doctor import outside
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox
from avr_sts_speechmatics.services.announced_ends import ModelInUse
from avr_sts_speechmatics.settings import Settings

OPENAI = "https://api.openai.com/v1"
TODAY = date(2026, 11, 28)


# --- proxies --------------------------------------------------------------------------------------


async def test_without_a_proxy_nothing_is_said_of_one() -> None:
    assert await looked_at(offline(NO_PROXY="a.test"), "proxy") == []


async def test_it_is_shown_which_host_is_reached_through_which_proxy_without_the_password() -> None:
    async with running_sandbox() as cloud, http_proxy(cloud.port) as proxy:
        proxy.user = "me:pass-word-1"
        through = f"http://me:pass-word-1@127.0.0.1:{proxy.port}"
        environ = environment(
            cloud,
            SPEECHMATICS_RT_URL="ws://stt.test/v2",
            SPEECHMATICS_TTS_URL="http://tts.test",
            HTTP_PROXY=through,
            NO_PROXY="other.test",
        )
        found = await examine(environ)
    assert found["proxy"].state == "ok"
    assert found["proxy"].detail == (
        f"stt.test, tts.test through 127.0.0.1:{proxy.port} (HTTP_PROXY); "
        f"127.0.0.1:{cloud.port} directly"
    )
    assert found["stt"].state == found["tts"].state == found["llm"].state == "ok"
    assert proxy.hosts == {"stt.test", "tts.test"}
    assert "pass-word-1" not in doctor.summary(list(found.values()))


async def test_a_proxy_that_no_service_needs_is_named_too() -> None:
    (found,) = await looked_at(offline(HTTPS_PROXY="http://proxy.test:3128"), "proxy")
    assert found.state == "ok"
    assert "no service" in found.detail


async def test_a_proxy_that_refuses_is_named_with_what_to_do() -> None:
    async with running_sandbox() as cloud, http_proxy(cloud.port) as proxy:
        proxy.refuses = 407
        environ = environment(
            cloud,
            SPEECHMATICS_RT_URL="ws://stt.test/v2",
            SPEECHMATICS_TTS_URL="http://tts.test",
            OPENAI_BASE_URL="http://llm.test/v1",
            ALL_PROXY=proxy.url,
        )
        found = await examine(environ)
    for service in ("stt", "tts", "llm"):
        assert found[service].state == "failed"
        assert found[service].detail.endswith("wants a user name and a password (407)")
        assert found[service].advice == "Write both into ALL_PROXY."


async def test_a_socks_proxy_is_a_failure_and_nobody_is_asked() -> None:
    async with running_sandbox() as cloud:
        environ = environment(
            cloud, SPEECHMATICS_RT_URL="ws://stt.test/v2", ALL_PROXY="socks5://127.0.0.1:1080"
        )
        found = await examine(environ)
        assert not cloud.received.sessions
        assert not cloud.received.speech + cloud.received.chats
    assert found["proxy"].state == "failed"
    assert "SOCKS" in found["proxy"].detail


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_webhook_behind_a_proxy_is_reached_through_it(scheme: str) -> None:
    async with webhook_target() as target:
        async with http_proxy(int(target.url.split(":")[2].partition("/")[0])) as proxy:
            hook = f"{scheme}://hook.test/hooks"
            (found,) = await looked_at(offline(WEBHOOK_URL=hook, ALL_PROXY=proxy.url), "webhook")
        assert target.events == []
    if scheme == "http":
        # Events go to the proxy as they are; without an event only the proxy is reached.
        assert (found.state, proxy.asked) == ("ok", [])
    else:
        # The target speaks no TLS: whoever noticed that has come through the proxy.
        assert (found.state, proxy.asked) == ("warning", ["CONNECT hook.test:443"])


async def test_a_webhook_behind_a_proxy_that_is_not_there_is_a_warning() -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    environ = offline(WEBHOOK_URL="https://hook.test/hooks", HTTPS_PROXY=nobody)
    (found,) = await looked_at(environ, "webhook")
    assert found.state == "warning"
    assert "the proxy" in found.detail


# --- announced ends -------------------------------------------------------------------------------


async def test_a_model_whose_end_is_near_is_a_warning_with_the_day() -> None:
    voice = ModelInUse("OPENAI_TTS_MODEL", "tts-1", OPENAI, advice="name another server")
    (found,) = await outside.ends(Settings(), voice, TODAY)
    assert found.state == "warning"
    assert found.detail == "OPENAI_TTS_MODEL: the model tts-1 ends on 6 January 2027"
    assert found.advice == "Name another server."


@pytest.mark.parametrize(("day", "checks"), [("2027-01-20", 1), ("2029-01-20", 0)])
async def test_a_server_may_announce_the_end_itself(day: str, checks: int) -> None:
    async with model_server(described={"id": "m", "shutdown_date": day}) as url:
        found = await outside.ends(Settings(), ModelInUse("OPENAI_MODEL", "m", url), TODAY)
    assert len(found) == checks


async def test_a_model_that_was_shut_down_is_named_by_the_doctor() -> None:
    async with model_server(described={"id": "m", "shutdown_date": "2026-01-20"}) as url:
        (found,) = await looked_at(offline(OPENAI_BASE_URL=url, OPENAI_MODEL="old"), "model's end")
    assert "the model old was announced to end on 20 January 2026" in found.detail


async def test_models_without_an_end_are_not_mentioned() -> None:
    async with running_sandbox() as cloud:
        assert await looked_at(environment(cloud), "model's end") == []
