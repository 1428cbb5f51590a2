"""The doctor looks at everything at once, tells no secret, and says what to do."""

import json
import time

import pytest
from tests.doctor.surroundings import (
    NO_FILE,
    environment,
    examine,
    free_port,
    looked_at,
    offline,
)
from tests.pbx.fake_ami import FakeAmi, running
from tests.webhook_target import webhook_target

from avr_sts_speechmatics import doctor
from avr_sts_speechmatics.doctor import examination
from avr_sts_speechmatics.sandbox.faults import Error, Stall
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox


async def test_where_all_is_well_every_service_was_asked_and_timed() -> None:
    async with running_sandbox() as cloud:
        environ = environment(cloud)
        found = await examine(environ)
        await cloud.received.until(lambda: not cloud.received.sessions_open)
    assert {what: check.state for what, check in found.items()} == {
        "settings": "ok",
        "agents": "ok",
        "voices": "ok",
        f"port {environ['PORT']}": "ok",
        "stt": "ok",
        "tts": "ok",
        "llm": "ok",
        "pbx": "skipped",
        "records": "ok",
    }
    for service in ("stt", "tts", "llm"):
        latency = found[service].latency_ms
        assert latency is not None
        assert 0 <= latency < 2000
        assert f"127.0.0.1:{cloud.port}" in found[service].detail
    assert found["settings"].latency_ms is None
    (session,) = cloud.received.sessions
    assert len(session.audio) == 8000
    assert session.messages[-1] == {"message": "EndOfStream", "last_seq_no": session.frames}
    assert len(cloud.received.speech) == len(cloud.received.chats) == 1
    assert cloud.received.speech[0].done


async def test_services_that_say_nothing_do_not_keep_anybody_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(examination, "TOTAL_S", 0.5)
    silent = ("stt", "tts", "llm", "pbx")
    async with running_sandbox() as cloud, running(FakeAmi(silent_at="Login")) as ami:
        cloud.faults.add(*(Stall(part=part, after=None) for part in ("stt", "tts", "llm")))
        begun = time.monotonic()
        found = await examine(
            environment(cloud, AMI_HOST="127.0.0.1", AMI_PORT=str(ami.port), AMI_PASSWORD="s")
        )
        assert time.monotonic() - begun < 5
    for service in silent:
        assert found[service].state == "failed"
        assert "within" in found[service].detail


async def test_services_that_are_not_there_are_named_with_their_addresses() -> None:
    nobody = f"127.0.0.1:{free_port()}"
    found = await examine(
        offline(
            SPEECHMATICS_RT_URL=f"ws://{nobody}/v2",
            SPEECHMATICS_TTS_URL=f"http://{nobody}",
            OPENAI_BASE_URL=f"http://{nobody}/v1",
            VOICE_FALLBACK="openai",
            OPENAI_TTS_URL=f"http://{nobody}/v1",
        )
    )
    for service, setting in (
        ("stt", "SPEECHMATICS_RT_URL"),
        ("tts", "SPEECHMATICS_TTS_URL"),
        ("second tts", "OPENAI_TTS_URL"),
        ("llm", "OPENAI_BASE_URL"),
    ):
        assert found[service].state == "failed"
        assert found[service].detail.startswith(nobody)
        assert setting in found[service].advice


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "60400x"), ("FAQ_FILE", __file__), ("FAQ_FILE", "/no/such")]
)
async def test_a_wrong_setting_is_told_in_its_own_sentence_and_ends_the_rest(
    name: str, value: str
) -> None:
    (check,) = await doctor.examine({name: value}, NO_FILE)
    assert (check.what, check.state) == ("settings", "failed")
    assert check.detail.startswith(f"{name}={value}: ")


async def test_a_host_that_can_be_no_name_is_a_wrong_setting() -> None:
    async with running_sandbox() as cloud:
        found = await examine(environment(cloud, SPEECHMATICS_RT_URL="ws://a..b/v2"))
    assert found["settings"].state == "failed"
    assert "SPEECHMATICS_RT_URL" in found["settings"].detail


async def test_a_misspelt_setting_is_a_warning() -> None:
    found = await examine(offline(SPEECHMATICS_VIOCE="theo"))
    assert found["settings"].state == "warning"
    assert "SPEECHMATICS_VOICE" in found["settings"].detail


async def test_offline_nobody_is_asked() -> None:
    environ = offline()
    found = await examine(environ)
    port = f"port {environ['PORT']}"
    assert list(found) == ["settings", "agents", "voices", "sandbox", port, "llm", "pbx", "records"]
    assert found["llm"].state == "ok"
    assert "receptionist" in found["llm"].detail


async def test_no_secret_is_shown_even_if_a_server_quotes_it() -> None:
    quoted = (
        "Bearer speech-key, thought-key, voice-key, hook-secret, manager-word, tool-secret, "
        "a-token-of-mine, sk-proj-****abcd are not known"
    )
    servers = {
        "weather": {
            "url": "http://127.0.0.1:1/mcp?key=tool-token",
            "headers": {"Authorization": "Bearer tool-secret"},
            "allow": ["forecast"],
        }
    }
    async with (
        running_sandbox() as cloud,
        running(FakeAmi(secret="manager-word")) as ami,
        webhook_target() as hook,
    ):
        cloud.faults.add(Error(part="stt", after=None, type="not_allowed", reason=quoted))
        environ = environment(
            cloud,
            SPEECHMATICS_RT_URL=cloud.rt_url + "?jwt=a-token-of-mine",
            VOICE_FALLBACK="openai",
            OPENAI_TTS_URL=cloud.openai_url + "?token=voice-token",
            OPENAI_TTS_API_KEY="voice-key",
            WEBHOOK_URL=hook.url + "?token=hook-token",
            WEBHOOK_SECRET="hook-secret",
            AMI_HOST="127.0.0.1",
            AMI_PORT=str(ami.port),
            AMI_PASSWORD="manager-word",
            MCP_SERVERS=json.dumps(servers),
        )
        text = doctor.summary(await doctor.examine(environ, NO_FILE))
    assert "are not known" in text
    for secret in (
        *("speech-key", "thought-key", "voice-key", "hook-secret", "manager-word", "tool-secret"),
        *("sk-", "abcd", "a-token-of-mine", "voice-token", "hook-token", "tool-token"),
    ):
        assert secret not in text


async def test_what_is_said_of_one_part_can_be_several_things() -> None:
    environ = offline(TRANSFER_ALLOW="700", ON_FAILURE="transfer:700")
    assert [check.state for check in await looked_at(environ, "pbx")] == 2 * ["warning"]
