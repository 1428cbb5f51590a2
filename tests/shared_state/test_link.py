"""The link to Redis, against real servers that freeze, die, return and refuse."""

import asyncio
import logging
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.http_proxy import certificate
from tests.real_servers.servers import PROGRAMS, RealRedis, free_port, redis_server
from tests.shared_state.linked import PREFIX, away, linked, up
from tests.support import open_sockets, until

from avr_sts_speechmatics.errors import SettingsError, StoreError
from avr_sts_speechmatics.network.redis_address import parse
from avr_sts_speechmatics.shared_state import link as link_module
from avr_sts_speechmatics.shared_state.link import RedisLink


async def ask(link: RedisLink) -> bytes | None:
    found = await link.do(lambda redis: redis.getdel("nothing"))
    assert not isinstance(found, str)
    return found


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == link_module.__name__]


@pytest.fixture(autouse=True)
def _all_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


# --- a server that works -------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != "haproxy"])
async def test_redis_and_valkey_are_reached_by_tcp_and_by_a_unix_socket(name: str) -> None:
    with redis_server(name=name) as server:
        for url in (server.url, f"unix://{server.socket}?db=1"):
            async with linked(url) as link:
                assert link.state.up
                await link.do(lambda redis: redis.set("a", b"1", px=5000))
                assert await link.do(lambda redis: redis.getdel("a")) == b"1"
                assert await link.do(lambda redis: redis.getdel("a")) is None


async def test_a_password_with_any_character_is_sent() -> None:
    with redis_server("--requirepass", "s/e:c@r#t") as server:
        async with linked(f"redis://:s%2Fe%3Ac%40r%23t@127.0.0.1:{server.port}/0") as link:
            assert await ask(link) is None


async def test_a_server_behind_tls_is_reached_and_its_certificate_checked(tmp_path: Path) -> None:
    _, certificate_file = certificate(tmp_path, ["localhost"])
    port = free_port()
    tls = {
        "--tls-port": str(port),
        "--tls-cert-file": str(certificate_file),
        "--tls-key-file": str(tmp_path / "key.pem"),
        "--tls-ca-cert-file": str(certificate_file),
        "--tls-auth-clients": "no",
    }
    with redis_server(*(word for option in tls.items() for word in option)):
        url = f"rediss://localhost:{port}"
        async with linked(f"{url}?ssl_ca_certs={certificate_file}") as link:
            assert await ask(link) is None
        async with linked(url) as link:
            with pytest.raises(StoreError, match=r"(?i)certificate"):
                await ask(link)


async def test_a_closed_link_leaves_neither_tasks_nor_sockets(redis: RealRedis) -> None:
    sockets = open_sockets()
    async with linked(redis.url) as link:
        await asyncio.gather(*(ask(link) for _ in range(100)))
        # A burst of calls is no burst of connections.
        assert len(open_sockets() - sockets) <= link_module.CONNECTIONS
    assert len(asyncio.all_tasks()) == 1
    await until(lambda: open_sockets() <= sockets)


# --- a server that is away -----------------------------------------------------------------------


async def test_a_frozen_server_costs_one_wait_and_not_one_for_each_call(
    own_redis: RealRedis, caplog: pytest.LogCaptureFixture
) -> None:
    async with linked(own_redis.url, trial_s=60.0) as link:
        own_redis.freeze()
        with pytest.raises(StoreError, match="no answer within 250 ms"):
            await ask(link)
        begun = time.monotonic()
        for _ in range(200):
            with pytest.raises(StoreError):
                await ask(link)
        # 200 waits would be 50 s.
        assert time.monotonic() - begun < 5
        own_redis.thaw()
        await up(link)
        assert await ask(link) is None
    assert len(lines(caplog)) == 3  # there, away, there again
    assert "is there again" in lines(caplog)[-1]


async def test_a_server_that_dies_is_noticed_and_found_again_without_a_call(
    own_redis: RealRedis, caplog: pytest.LogCaptureFixture
) -> None:
    async with linked(own_redis.url, trial_s=0.05) as link:
        own_redis.kill()
        await away(link)
        with pytest.raises(StoreError, match=rf"Redis at 127\.0\.0\.1:{own_redis.port} is away"):
            await ask(link)
        own_redis.start()
        await up(link)
        assert await ask(link) is None


async def test_the_first_call_after_a_restart_finds_the_new_server(own_redis: RealRedis) -> None:
    async with linked(own_redis.url, trial_s=60.0) as link:
        await asyncio.gather(*(ask(link) for _ in range(20)))  # so that many connections are stale
        own_redis.stop()
        own_redis.start()
        assert await ask(link) is None


async def test_a_server_that_is_not_there_at_the_start_is_found_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with redis_server() as server:
        server.stop()
        async with linked(server.url) as link:
            assert not link.state.up
            assert "efused" in link.state.error or "connect" in link.state.error
            server.start()
            await up(link)
    assert "calls go on without it" in lines(caplog)[0]


async def test_a_link_that_was_not_started_says_so(redis: RealRedis) -> None:
    link = RedisLink(parse(redis.url), PREFIX)
    with pytest.raises(StoreError, match="has not been asked yet"):
        await ask(link)
    await link.close()


@pytest.mark.parametrize(
    ("options", "user", "said"),
    [
        (("--requirepass", "right"), ":wrong@", "not accepted; check REDIS_URL"),
        (("--requirepass", "right"), "", "not accepted; check REDIS_URL"),
        (("--replicaof", "127.0.0.1", "1"), "", "read only replica"),
        (("--maxmemory", "1", "--maxmemory-policy", "noeviction"), "", "OOM|maxmemory"),
        (
            ("--user", "avr", "on", "nopass", "~other:*", "+@all"),
            "avr:x@",
            "allow the keys tests:",
        ),
        (("--rename-command", "GETDEL", ""), "", "unknown command"),
    ],
)
async def test_a_server_that_refuses_is_away_and_the_reason_is_said_once(
    options: tuple[str, ...], user: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with redis_server(*options) as server:
        async with linked(f"redis://{user}127.0.0.1:{server.port}/0", retry_s=(0.01,)) as link:
            with pytest.raises(StoreError, match=rf"(?i){said}"):
                await ask(link)
            await asyncio.sleep(0.3)  # some thirty trials
            assert not link.state.up
    (line,) = lines(caplog)
    assert "wrong" not in line
    assert "right" not in line


async def test_a_server_that_comes_and_goes_does_not_fill_the_log(
    own_redis: RealRedis, caplog: pytest.LogCaptureFixture
) -> None:
    async with linked(own_redis.url, trial_s=0.02, retry_s=(0.01,)) as link:
        for _ in range(5):
            own_redis.kill()
            await away(link)
            own_redis.start()
            await up(link)
    assert len(lines(caplog)) == 3


async def test_a_fault_of_ours_is_not_blamed_on_the_server(redis: RealRedis) -> None:
    async def broken(_: object) -> None:
        raise RuntimeError("ours")

    async with linked(redis.url) as link:
        with pytest.raises(RuntimeError, match="ours"):
            await link.do(broken)
        assert link.state.up


async def test_each_return_of_the_server_is_reported(own_redis: RealRedis) -> None:
    link = RedisLink(parse(own_redis.url), PREFIX, trial_s=0.02, retry_s=(0.01,))
    returns = 0

    async def count() -> None:
        nonlocal returns
        returns += 1
        await ask(link)

    link.on_return(count)
    await link.start()
    own_redis.kill()
    await away(link)
    own_redis.start()
    await until(lambda: returns == 2)  # the first time at the start
    await link.close()


# --- the package ---------------------------------------------------------------------------------


@pytest.fixture
def without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "find_spec", lambda name: None)


@pytest.mark.usefixtures("without_redis")
def test_without_the_package_one_sentence_says_what_to_install() -> None:
    with pytest.raises(SettingsError, match=r"pip install 'avr-sts-speechmatics\[redis\]'\.$"):
        RedisLink(parse(f"redis://127.0.0.1:{free_port()}"), PREFIX)


def test_without_redis_url_the_package_is_not_imported() -> None:
    code = (
        "import asyncio, sys\n"
        "from avr_sts_speechmatics import settings\n"
        "from avr_sts_speechmatics.server import Server\n"
        "from pathlib import Path\n"
        "async def main():\n"
        "    Server(settings.load({}, Path('/nonexistent')))\n"
        "asyncio.run(main())\n"
        "assert 'redis' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
