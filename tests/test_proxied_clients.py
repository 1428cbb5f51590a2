"""Every client of a remote service goes through the proxy that the settings name, and no other.

The hosts have names that no name server knows, so that a client that goes its own way fails.
"""

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

import pytest
from aiohttp import web
from tests.avr_core import dial
from tests.http_proxy import HttpProxy, http_proxy
from tests.settings.environment import NO_FILE
from tests.support import Serve, url_of
from tests.tools.test_mcp_servers import http_server, reached_at
from tests.webhook_target import webhook_target

from avr_sts_speechmatics import settings
from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.assembly import parts as assembly
from avr_sts_speechmatics.conversation import Message
from avr_sts_speechmatics.errors import ServiceError, SettingsError
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.network.proxies import parse
from avr_sts_speechmatics.sandbox import stt_messages
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox, scripted
from avr_sts_speechmatics.services.llm.protocol import Brief
from avr_sts_speechmatics.services.stt import Stt
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.speech.voices import Voices

CLOUDS = {
    "SPEECHMATICS_API_KEY": "speech-key",
    "SPEECHMATICS_RT_URL": "ws://stt.test/v2",
    "SPEECHMATICS_TTS_URL": "http://tts.test",
    "OPENAI_API_KEY": "model-key",
    "OPENAI_BASE_URL": "http://llm.test/v1",
    "OPENAI_TTS_URL": "http://second.test/v1",
    "OPENAI_TTS_API_KEY": "voice-key",
}


def chosen(**changes: str) -> Settings:
    return settings.load(CLOUDS | changes, NO_FILE)


async def stt(settings: Settings) -> None:
    await Stt(settings).recogniser("en", ()).try_out()


async def tts(settings: Settings) -> None:
    assert settings.tts_url is not None
    voices = Voices(settings, settings.tts_url, settings.speechmatics_api_key, {})
    try:
        voice, _ = voices.of(Agents.load(settings).all[0])
        async with aclosing(voice.speak("Hello.")) as audio:
            async for _ in audio:
                """To the end."""
    finally:
        await voices.close()


async def llm(settings: Settings) -> None:
    model = assembly.llm_of(settings)
    try:
        async with aclosing(model.reply(Brief("Be brief."), [Message("user", "Hi.")])) as words:
            assert await anext(words)
    finally:
        await model.close()


CLIENTS: dict[str, tuple[Callable[[Settings], Awaitable[None]], dict[str, str]]] = {
    "stt.test": (stt, {}),
    "tts.test": (tts, {}),
    "second.test": (tts, {"VOICE_FALLBACK": "openai", "SPEECHMATICS_LANGUAGE": "de"}),
    "llm.test": (llm, {}),
}


@asynccontextmanager
async def proxied_cloud() -> AsyncIterator[HttpProxy]:
    async with running_sandbox() as cloud, http_proxy(cloud.port) as proxy:
        yield proxy


@pytest.mark.parametrize("host", CLIENTS)
async def test_a_cloud_is_asked_through_the_proxy(host: str) -> None:
    ask, changes = CLIENTS[host]
    async with proxied_cloud() as proxy:
        proxy.user = "me:p@ss"
        name = f"http://me:p%40ss@127.0.0.1:{proxy.port}"
        await ask(chosen(HTTP_PROXY=name, **changes))
        assert proxy.hosts == {host}


@pytest.mark.parametrize("host", CLIENTS)
@pytest.mark.parametrize(
    ("status", "sign"), [(407, "write both into ALL_PROXY"), (403, "NO_PROXY"), (502, "502")]
)
async def test_a_proxy_that_refuses_is_named_with_what_to_do(
    host: str, status: int, sign: str
) -> None:
    ask, changes = CLIENTS[host]
    if host != "stt.test" and status != 407:
        # Without a tunnel a proxy's answer cannot be told from the service's.
        changes = changes | {"SPEECHMATICS_TTS_URL": "https://tts.test"}
        changes |= {"OPENAI_TTS_URL": "https://second.test", "OPENAI_BASE_URL": "https://llm.test"}
    async with proxied_cloud() as proxy:
        proxy.refuses = status
        with pytest.raises(ServiceError) as caught:
            await ask(chosen(ALL_PROXY=proxy.url, **changes))
        assert proxy.hosts == {host}
    assert f"cannot connect: the proxy 127.0.0.1:{proxy.port} " in str(caught.value)
    assert sign in str(caught.value)
    assert caught.value.retryable is (status == 502)


@pytest.mark.parametrize("host", CLIENTS)
async def test_a_proxy_that_is_not_there_is_named(host: str) -> None:
    ask, changes = CLIENTS[host]
    async with proxied_cloud() as proxy:
        url = proxy.url
    with pytest.raises(
        ServiceError, match=r"the proxy 127\.0\.0\.1:\d+ cannot be reached"
    ) as caught:
        await ask(chosen(HTTP_PROXY=url, **changes))
    assert "check HTTP_PROXY" in str(caught.value)


async def test_what_the_environment_says_besides_is_not_obeyed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The libraries read the environment in ways of their own: the settings alone decide.
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1")
    async with running_sandbox() as cloud:
        await llm(chosen(OPENAI_BASE_URL=cloud.openai_url))


async def test_a_socks_proxy_stops_the_start_with_a_sentence() -> None:
    only_a_hook = settings.load(
        {"WEBHOOK_URL": "http://hook.test", "ALL_PROXY": "socks5://s:1080"}, NO_FILE
    )
    with pytest.raises(SettingsError, match="ALL_PROXY: socks5://s:1080 is a SOCKS proxy"):
        async with assembly.assembled(only_a_hook, Agents.load(only_a_hook), "http://127.0.0.1:1"):
            pass


async def test_a_webhook_is_sent_through_the_proxy(caplog: pytest.LogCaptureFixture) -> None:
    async with webhook_target() as target:
        async with http_proxy(int(target.url.split(":")[2].partition("/")[0])) as proxy:
            hook = chosen(WEBHOOK_URL="http://hook.test/hooks?token=t", HTTP_PROXY=proxy.url)
            webhooks = assembly.webhooks_of(hook)
            assert webhooks is not None
            webhooks.send("a-call", "call_started", {})
            await target.came(1)
            proxy.refuses = 407
            with caplog.at_level(logging.WARNING):
                assert await webhooks.ask("another", {}) is None
            await webhooks.close()
    assert proxy.hosts == {"hook.test"}
    assert "wants a user name and a password (407); write both into HTTP_PROXY" in caplog.text


async def test_instructions_are_asked_for_through_the_proxy() -> None:
    async def handle(_: web.Request) -> web.Response:
        return web.json_response({"system": "Be kind."})

    app = web.Application()
    app.router.add_get("/agent", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with http_proxy(runner.addresses[0][1]) as proxy:
            url = "http://text.test/agent"
            agents = Agents.load(chosen(SPEECHMATICS_URL_INSTRUCTIONS=url, HTTP_PROXY=proxy.url))
            caller = Caller("a-call", "websocket")
            agent = await agents.brief(agents.for_call(caller), caller)
            await agents.close()
        assert agent.instructions == "Be kind."
        assert proxy.hosts == {"text.test"}
    finally:
        await runner.cleanup()


async def test_an_mcp_server_is_reached_through_the_proxy(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with http_server() as (_, port):
        reached = {**reached_at(port), "url": "http://mcp.test/mcp", "allow": ["forecast"]}
        # The SDK's server takes only requests for its own address.
        reached["headers"] = {**reached["headers"], "Host": f"127.0.0.1:{port}"}
        servers = json.dumps({"weather": reached})
        async with http_proxy(port) as proxy:
            toolbox = await assembly.toolbox_of(chosen(MCP_SERVERS=servers, HTTP_PROXY=proxy.url))
            offered = [spec.name for spec in toolbox.specs(None)]
            await toolbox.close()
            assert offered == ["weather_forecast"]
            assert proxy.hosts == {"mcp.test"}
            proxy.refuses = 403
            there = chosen(MCP_SERVERS=servers.replace("http:", "https:"), ALL_PROXY=proxy.url)
            with caplog.at_level(logging.WARNING):
                await (await assembly.toolbox_of(there)).close()
    assert "does not allow this address (403)" in caplog.text


async def test_a_whole_call_goes_through_the_proxy(serve: Serve) -> None:
    async with running_sandbox(scripted(answers=["We close at five."])) as cloud:
        async with http_proxy(cloud.port) as proxy:
            clouds = {
                "speechmatics_rt_url": "ws://stt.test/v2",
                "speechmatics_tts_url": "http://tts.test",
                "openai_base_url": "http://llm.test/v1",
                "http_proxy": parse(proxy.url),
            }
            async with serve(cloud, **clouds) as server, dial(url_of(server)) as core:
                await core.init()
                session = await cloud.received.session()
                session.say(stt_messages.segment("When do you close?", 0.5, 1.0))
                session.say(stt_messages.end_of_turn(1.5))
                await core.until(lambda heard: "We close at five." in heard.said("agent"))
        assert proxy.hosts == {"stt.test", "tts.test", "llm.test"}
