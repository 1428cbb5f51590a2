"""What calls are made of, put together: which class stands behind a setting, and what is said."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.support import ROOT

from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.assembly.parts import (
    Parts,
    ambience_of,
    assembled,
    how_it_tries,
    llm_of,
    models_in_use,
    needs_sandbox,
    pbx_of,
    toolbox_of,
    webhooks_of,
)
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.pbx.ami import Ami
from avr_sts_speechmatics.pbx.avr_ami import AvrAmi
from avr_sts_speechmatics.pbx.dial_patterns import parse
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox
from avr_sts_speechmatics.service_trials import remote_addresses
from avr_sts_speechmatics.services import announced_ends
from avr_sts_speechmatics.services.llm.openai import OpenAiLlm
from avr_sts_speechmatics.services.llm.scripted import ScriptedLlm
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.tools.mcp_config import parse_mcp_servers
from avr_sts_speechmatics.values import Secret


@asynccontextmanager
async def parts(**changes: Any) -> AsyncIterator[Parts]:
    async with running_sandbox() as cloud:
        settings = Settings(
            speechmatics_rt_url=cloud.rt_url, speechmatics_tts_url=cloud.tts_url, **changes
        )
        agents = Agents.load(settings)
        try:
            async with assembled(settings, agents, "") as made:
                yield made
        finally:
            await agents.close()


async def test_with_a_key_or_an_address_a_model_thinks_and_else_the_receptionist() -> None:
    cases: tuple[tuple[dict[str, Any], type], ...] = (
        ({"openai_api_key": Secret("a-key")}, OpenAiLlm),
        ({"openai_base_url": "http://127.0.0.1:1/v1"}, OpenAiLlm),
        ({}, ScriptedLlm),
    )
    for changes, kind in cases:
        llm = llm_of(Settings(**changes))
        assert type(llm) is kind
        await llm.close()


def test_a_faq_that_is_none_names_setting_and_file(tmp_path: Path) -> None:
    file = tmp_path / "faq.yaml"
    file.write_text("[not a FAQ")
    with pytest.raises(SettingsError, match=rf"FAQ_FILE={file}: "):
        llm_of(Settings(faq_file=file))


async def test_who_moves_calls_is_whom_the_settings_name_and_asterisk_itself_wins() -> None:
    ami: dict[str, Any] = {"ami_host": "127.0.0.1", "ami_password": Secret("a-secret")}
    for changes, kind in (
        ({"ami_url": "http://127.0.0.1:6006"}, AvrAmi),
        (ami, Ami),
        ({**ami, "ami_url": "http://127.0.0.1:6006"}, Ami),
        ({}, type(None)),
    ):
        pbx = pbx_of(Settings(**changes))
        assert type(pbx) is kind
        if pbx is not None:
            await pbx.close()


async def test_without_an_address_there_are_no_webhooks() -> None:
    assert webhooks_of(Settings()) is None
    webhooks = webhooks_of(Settings(webhook_url="http://127.0.0.1:1/hooks"))
    assert webhooks is not None
    await webhooks.close()


def test_a_noise_that_is_none_names_setting_and_file(tmp_path: Path) -> None:
    file = tmp_path / "noise.wav"
    file.write_bytes(b"RIFF")
    with pytest.raises(SettingsError, match=rf"AMBIENT_NOISE_FILE: {file}: "):
        ambience_of(Settings(ambient_noise_file=file))


def test_without_a_noise_file_there_is_no_ambience() -> None:
    assert ambience_of(Settings()) is None


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({"transfer_allow": parse("700")}, "TRANSFER_ALLOW has no effect"),
        ({"on_failure": "transfer:700"}, "ON_FAILURE cannot transfer"),
        ({"on_busy": "transfer:700"}, "ON_BUSY cannot transfer"),
        (
            {"ami_host": "h", "ami_password": Secret("s"), "ami_url": "http://127.0.0.1:1"},
            "AMI_URL has no effect",
        ),
    ],
)
async def test_what_cannot_be_done_is_said_at_the_start(
    changes: dict[str, Any], warned: str
) -> None:
    async with parts(**changes) as made:
        assert [warning for warning in made.warnings if warned in warning]


async def test_settings_that_fit_are_no_reason_to_warn() -> None:
    pbx = {"ami_url": "http://127.0.0.1:1"}
    async with parts(**pbx, transfer_allow=parse("700"), on_failure="transfer:700") as made:
        assert made.warnings == ()


async def test_an_agent_whose_voice_has_no_key_is_said(tmp_path: Path) -> None:
    (tmp_path / "host.yaml").write_text("voice: {engine: openai, name: alloy}\n")
    async with parts(agents_dir=tmp_path) as made:
        (warning,) = made.warnings
        assert "(host): set OPENAI_TTS_API_KEY" in warning


async def test_a_tool_an_agent_names_that_is_nowhere_is_said(tmp_path: Path) -> None:
    (tmp_path / "host.yaml").write_text("tools: [avr_hangup, find_bookng]\n")
    async with parts(agents_dir=tmp_path) as made:
        (warning,) = made.warnings
        assert "find_bookng" in warning
        assert "avr_hangup" not in warning.partition("find_bookng")[0]


async def test_a_start_that_fails_half_way_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def")
    with pytest.raises(SettingsError, match=r"broken\.py"):
        async with parts(tools_dir=tmp_path, openai_api_key=Secret("a-key")):
            pass


async def test_the_operators_tools_are_theirs_by_name() -> None:
    toolbox = await toolbox_of(Settings(tools_dir=ROOT / "tests/calls/own_tools"))
    assert toolbox.names() == {"find_booking", "make_booking", "slow_booking", "broken_booking"}
    await toolbox.close()


# --- what lies outside ----------------------------------------------------------------------------


def test_every_address_that_calls_may_need_is_named_once() -> None:
    assert remote_addresses(Settings()) == ()
    servers = '{"a": {"url": "http://mcp/mcp", "allow": []}, "b": {"command": ["b"], "allow": []}}'
    everything = Settings(
        speechmatics_api_key=Secret("a-key"),
        openai_api_key=Secret("another-key"),
        voice_fallback="openai",
        webhook_url="http://hook/",
        speechmatics_url_instructions="http://text/",
        mcp_servers=parse_mcp_servers(servers),
        ami_url="http://avr-ami:6006",
    )
    assert remote_addresses(everything) == (
        "wss://eu.rt.speechmatics.com/v2/agent",
        "https://preview.tts.speechmatics.com",
        "https://api.openai.com/v1",
        "http://hook/",
        "http://text/",
        "http://mcp/mcp",
    )


def test_the_models_in_use_are_those_of_the_agents_and_of_a_second_voice(tmp_path: Path) -> None:
    (tmp_path / "default.yaml").write_text("model: gpt-4o\n")
    (tmp_path / "sales.yaml").write_text("model: gpt-4o\n")
    settings = Settings(
        openai_api_key=Secret("a-key"), agents_dir=tmp_path, voice_fallback="openai"
    )
    agents = Agents.load(settings)
    used = [(model.chosen_by, model.name) for model in models_in_use(settings, agents)]
    assert used == [("agent default", "gpt-4o"), ("OPENAI_TTS_MODEL", "gpt-4o-mini-tts")]
    assert list(models_in_use(Settings(), Agents.load(Settings()))) == []


async def test_the_start_warns_of_a_model_whose_end_is_near(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(announced_ends, "WARN_DAYS", 100_000)
    async with parts(openai_api_key=Secret("a-key"), openai_model="gpt-4o") as made:
        assert [text for text in made.warnings if "14 January 2027" in text]
    monkeypatch.setattr(announced_ends, "WARN_DAYS", -100_000)
    async with parts(openai_api_key=Secret("a-key"), openai_model="gpt-4o") as made:
        assert not made.warnings


# --- a server of voices ---------------------------------------------------------------------------

VOICE_SERVER: dict[str, Any] = {"tts": "http", "openai_tts_url": "http://localhost:8880/v1"}


def test_a_server_of_voices_needs_neither_speechmatics_voice_nor_the_sandboxs() -> None:
    assert remote_addresses(Settings(**VOICE_SERVER)) == ("http://localhost:8880/v1",)
    heard: dict[str, Any] = {"speechmatics_rt_url": "ws://localhost:9000/v2"}
    assert not needs_sandbox(Settings(**VOICE_SERVER, **heard))
    assert needs_sandbox(Settings(**VOICE_SERVER))  # it hears
    assert needs_sandbox(Settings(**heard))  # it speaks


def test_the_models_of_all_voices_that_calls_may_have_are_in_use() -> None:
    def models(**changes: Any) -> list[tuple[str, str, str]]:
        settings = Settings(**changes, thinking="receptionist")
        found = models_in_use(settings, Agents.load(settings))
        return [(model.chosen_by, model.name, model.url) for model in found]

    own = ("OPENAI_TTS_MODEL", "kokoro", "http://localhost:8880/v1")
    server = VOICE_SERVER | {"openai_tts_model": "kokoro"}
    key: dict[str, Any] = {"openai_api_key": Secret("k")}
    assert models(**server) == [own]
    assert models(**server, voice_fallback="openai", **key) == [
        own,
        ("VOICE_FALLBACK", "gpt-4o-mini-tts", "https://api.openai.com/v1"),
    ]
    assert models(tts="http", **key) == [
        ("OPENAI_TTS_MODEL", "gpt-4o-mini-tts", "https://api.openai.com/v1")
    ]


@pytest.mark.parametrize(
    ("today", "warned"), [(date(2026, 11, 6), 0), (date(2026, 11, 7), 1), (date(2027, 1, 7), 1)]
)
@pytest.mark.parametrize(
    "changes",
    [
        {"tts": "http"},
        {"voice_fallback": "openai"},
        {**VOICE_SERVER, "voice_fallback": "openai"},
    ],
)
def test_sixty_days_before_the_end_of_openais_voices_each_use_of_them_is_warned_of(
    changes: dict[str, Any], today: date, warned: int
) -> None:
    settings = Settings(**changes, openai_api_key=Secret("k"), thinking="receptionist")
    used = models_in_use(settings, Agents.load(settings))
    found = list(announced_ends.warnings(used, today))
    assert len([text for text in found if "6 January 2027" in text]) == warned


async def test_a_voice_of_speechmatics_without_its_key_is_said(tmp_path: Path) -> None:
    (tmp_path / "host.yaml").write_text("voice: {engine: speechmatics, name: theo}\n")
    settings = Settings(**VOICE_SERVER, agents_dir=tmp_path)
    async with assembled(settings, Agents.load(settings), "http://127.0.0.1:1") as made:
        (warning,) = made.warnings
        assert "Speechmatics have another voice (host)" in warning


async def test_a_second_voice_that_speaks_english_only_is_said_of_other_agents() -> None:
    changes = {"voice_fallback": "speechmatics", "speechmatics_language": "it"}
    async with parts(**VOICE_SERVER, **changes) as made:
        assert [text for text in made.warnings if "no effect for agents in it" in text]


def test_the_hint_about_the_sandbox_says_what_the_sandbox_does() -> None:
    server: dict[str, Any] = {"tts": "http", "openai_tts_url": "http://localhost:8880/v1"}
    heard: dict[str, Any] = {"speechmatics_rt_url": "ws://localhost:9000/v2"}
    for changes, says in (
        ({}, "the local sandbox hears and speaks,"),
        (server, "the local sandbox hears,"),
        (heard, "the local sandbox speaks,"),
    ):
        assert [hint for hint in how_it_tries(Settings(**changes)) if says in hint]
    assert not [hint for hint in how_it_tries(Settings(**server | heard)) if "sandbox" in hint]
