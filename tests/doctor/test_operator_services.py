"""The operator's other programs are asked, and nothing comes of it but an answer."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from tests.doctor.surroundings import free_port, looked_at, offline, somebody_elses
from tests.pbx.fake_ami import FakeAmi, running
from tests.real_servers.servers import redis_server
from tests.webhook_target import nobody_there, webhook_target

from avr_sts_speechmatics.doctor import check, operator_services
from avr_sts_speechmatics.shared_state import link

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[str]:
    """The address of a web server that answers everything in this way."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield "http://{}:{}".format(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()


def replying(reply: object, status: int = 200) -> Handler:
    async def handle(_: web.Request) -> web.Response:
        return web.json_response(reply, status=status)

    return handle


# --- Redis ----------------------------------------------------------------------------------------


async def test_redis_is_asked_for_what_calls_need() -> None:
    with redis_server("--requirepass", "the-password") as server:
        url = f"redis://:the-password@127.0.0.1:{server.port}"
        (found,) = await looked_at(offline(REDIS_URL=url), "redis")
        assert found.state == "ok"
        assert f"127.0.0.1:{server.port}" in found.detail
        assert found.latency_ms is not None
        wrong = f"redis://:another-one@127.0.0.1:{server.port}"
        (found,) = await looked_at(offline(REDIS_URL=wrong), "redis")
    assert found.state == "warning"
    assert "password is not accepted" in found.detail
    assert "another-one" not in str(found)
    assert "calls go on" in found.advice


async def test_a_redis_that_is_not_there_is_a_warning_and_not_waited_for() -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    (found,) = await looked_at(offline(REDIS_URL=url), "redis")
    assert found.state == "warning"
    assert url.removeprefix("redis://") in found.detail


async def test_a_redis_url_that_is_none_is_a_failure_that_does_not_show_it() -> None:
    (found,) = await looked_at(offline(REDIS_URL="redis://:pass/word@host"), "settings")
    assert found.state == "failed"
    assert "REDIS_URL" in found.detail
    assert "word@host" not in found.detail


async def test_without_the_package_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link, "find_spec", lambda name: None)
    (found,) = await looked_at(offline(REDIS_URL="redis://127.0.0.1"), "redis")
    assert found.state == "failed"
    assert "avr-sts-speechmatics[redis]" in found.advice


# --- the exchange ---------------------------------------------------------------------------------


async def test_without_an_exchange_it_is_said_what_one_would_give() -> None:
    (found,) = await looked_at(offline(), "pbx")
    assert found.state == "skipped"
    assert "AMI_HOST" in found.detail
    assert "transfer" in found.detail


@pytest.mark.parametrize(
    ("name", "value"),
    [("TRANSFER_ALLOW", "700"), ("ON_FAILURE", "transfer:7"), ("ON_BUSY", "transfer:7")],
)
async def test_a_transfer_that_nobody_could_do_is_a_warning(name: str, value: str) -> None:
    (found,) = await looked_at(offline(**{name: value}), "pbx")
    assert found.state == "warning"
    assert name in found.detail
    assert "AMI_URL" in found.advice


async def test_asterisk_is_asked_and_no_call_is_touched() -> None:
    async with running(FakeAmi(secret="the-secret")) as ami:
        environ = offline(AMI_HOST="127.0.0.1", AMI_PORT=str(ami.port), AMI_PASSWORD="the-secret")
        (found,) = await looked_at(environ, "pbx")
    assert found.state == "ok"
    assert found.latency_ms is not None
    assert not {"Hangup", "Redirect"} & set(ami.actions)


async def test_asterisk_that_does_not_know_the_user_is_a_failure_with_what_to_do() -> None:
    async with running(FakeAmi()) as ami:
        environ = offline(
            AMI_HOST="127.0.0.1", AMI_PORT=str(ami.port), AMI_PASSWORD="wrong", TRANSFER_ALLOW="7"
        )
        (found,) = await looked_at(environ, "pbx")
    assert found.state == "failed"
    assert f"127.0.0.1:{ami.port}" in found.detail
    assert found.advice.startswith("AMI_USERNAME and AMI_PASSWORD must")


async def test_avr_ami_is_asked_of_a_call_that_cannot_be() -> None:
    async with answering(replying({"message": "Call not found"}, 404)) as url:
        (found,) = await looked_at(offline(AMI_URL=url), "pbx")
    assert found.state == "ok"
    assert url in found.detail


async def test_what_is_not_avr_ami_is_a_failure_with_what_to_do() -> None:
    async with answering(replying("hello")) as url:
        (found,) = await looked_at(offline(AMI_URL=url), "pbx")
    assert found.state == "failed"
    assert "is not avr-ami" in found.detail
    assert found.advice == "Check AMI_URL."


async def test_of_two_exchanges_it_is_said_which_has_no_effect() -> None:
    async with running(FakeAmi(secret="the-secret")) as ami:
        environ = offline(
            AMI_URL="http://127.0.0.1:1",
            AMI_HOST="127.0.0.1",
            AMI_PORT=str(ami.port),
            AMI_PASSWORD="the-secret",
        )
        warning, found = await looked_at(environ, "pbx")
    assert (warning.state, found.state) == ("warning", "ok")
    assert "AMI_URL" in warning.advice


# --- the webhook ----------------------------------------------------------------------------------


async def test_the_webhooks_server_is_reached_and_no_event_is_posted() -> None:
    async with webhook_target() as target:
        (found,) = await looked_at(offline(WEBHOOK_URL=target.url), "webhook")
        assert target.events == []
    assert found.state == "ok"
    assert found.latency_ms is not None


async def test_a_webhook_that_is_not_there_is_a_warning_as_calls_go_on() -> None:
    with nobody_there() as url:
        (found,) = await looked_at(offline(WEBHOOK_URL=url), "webhook")
    assert found.state == "warning"
    assert "WEBHOOK_URL" in found.advice


async def test_a_webhook_that_says_nothing_to_a_tls_greeting_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(operator_services, "WEBHOOK_S", 0.2)
    with somebody_elses() as port:
        (found,) = await looked_at(offline(WEBHOOK_URL=f"https://127.0.0.1:{port}/"), "webhook")
    assert found.state == "warning"
    assert "within" in found.detail


async def test_a_webhook_that_does_not_speak_tls_is_a_warning() -> None:
    async with webhook_target() as target:
        url = target.url.replace("http:", "https:")
        (found,) = await looked_at(offline(WEBHOOK_URL=url), "webhook")
    assert found.state == "warning"
    assert found.detail


# --- instructions ---------------------------------------------------------------------------------


async def test_the_web_service_of_instructions_is_asked_once() -> None:
    asked = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request)
        return web.json_response({"system": "Be kind."})

    async with answering(handle) as url:
        environ = offline(SPEECHMATICS_URL_INSTRUCTIONS=url)
        (found,) = await looked_at(environ, "instructions")
    assert found.state == "ok"
    assert found.latency_ms is not None
    assert len(asked) == 1


async def test_without_instructions_it_is_said_what_calls_have_then(tmp_path: Path) -> None:
    text = tmp_path / "agent.txt"
    text.write_text("Be kind.")
    async with answering(replying({"system": ""})) as url:
        environ = offline(SPEECHMATICS_URL_INSTRUCTIONS=url)
        (found,) = await looked_at(environ, "instructions")
        assert (found.state, "the default text" in found.advice) == ("warning", True)
        environ["SPEECHMATICS_FILE_INSTRUCTIONS"] = str(text)
        (found,) = await looked_at(environ, "instructions")
    assert found.state == "warning"
    assert "SPEECHMATICS_FILE_INSTRUCTIONS" in found.advice


async def test_slow_instructions_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(check.SLOW_MS, "instructions", -1)
    async with answering(replying({"system": "Be kind."})) as url:
        environ = offline(SPEECHMATICS_URL_INSTRUCTIONS=url)
        (found,) = await looked_at(environ, "instructions")
    assert found.state == "warning"
    assert found.advice


async def test_a_web_service_that_no_call_asks_is_not_asked() -> None:
    environ = offline(
        SPEECHMATICS_URL_INSTRUCTIONS="http://127.0.0.1:1/", SPEECHMATICS_INSTRUCTIONS="Be kind."
    )
    assert await looked_at(environ, "instructions") == []
    unused = (await looked_at(environ, "agents"))[-1]
    assert unused.state == "warning"
    assert "SPEECHMATICS_URL_INSTRUCTIONS has no effect" in unused.detail
