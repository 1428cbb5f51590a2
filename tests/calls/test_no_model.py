"""Real callers without a model: one neutral sentence, then what ON_FAILURE says."""

from pathlib import Path
from typing import Any

import pytest
from tests.avr_core import dial
from tests.calls.live_call import PATIENCE_S, fake_avr_ami, live_service
from tests.support import ROOT, Serve, url_of

from avr_sts_speechmatics.agents.agents import NOBODY
from avr_sts_speechmatics.language_packs import pack_for

FAQ = ROOT / "src/avr_sts_speechmatics/receptionist/faq.yaml"
NO_MODEL: dict[str, Any] = {"openai_api_key": None, "openai_base_url": None}


@pytest.mark.parametrize(
    ("on_failure", "deeds"),
    [("hangup", ["/hangup"]), ("transfer:700", ["/transfer"]), ("close", [])],
)
async def test_without_a_model_a_caller_hears_one_sentence_and_the_call_moves_on(
    serve: Serve, caplog: pytest.LogCaptureFixture, on_failure: str, deeds: list[str]
) -> None:
    async with fake_avr_ami() as ami:
        changes = {
            **NO_MODEL,
            "ami_url": ami.url,
            "on_failure": on_failure,
            "speechmatics_welcome_message": "Hello, how can I help you?",
            "farewell_margin_ms": 0.0,
        }
        async with live_service(serve, **changes) as rig, dial(url_of(rig.server)) as core:
            await core.init()
            heard = await core.until_closed(timeout=PATIENCE_S)
            assert heard.said("agent") == NOBODY
            assert len(heard.frames) >= len(NOBODY) // 2
            assert [path for path, _ in ami.asked] == deeds
            assert not rig.cloud.received.sessions, "nobody listens"
            assert any("No model: callers hear one" in text for text in rig.server.warnings)
            assert rig.server.health()["services"]["llm"] == "nobody (no model is set)"
    assert "no model answers callers; set OPENAI_API_KEY" in caplog.text


async def test_an_agent_says_the_sentence_in_its_own_words(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "default.yaml").write_text(
        "welcome: Hi!\nmanners:\n  farewell: The shop is closed today.\n"
    )
    async with (
        live_service(serve, **NO_MODEL, agents_dir=tmp_path) as rig,
        dial(url_of(rig.server)) as core,
    ):
        await core.init()
        heard = await core.until_closed(timeout=PATIENCE_S)
        assert heard.said("agent") == "The shop is closed today."


@pytest.mark.parametrize("chosen", [{"thinking": "receptionist"}, {"faq_file": FAQ}])
async def test_the_receptionist_answers_where_the_operator_wants_so(
    serve: Serve, chosen: dict[str, Any]
) -> None:
    async with live_service(serve, **NO_MODEL, **chosen) as rig, rig.call() as call:
        call.say("What are your opening hours?")
        await call.until(lambda heard: "nine" in heard.said("agent"))


async def test_the_receptionist_answers_in_the_place_of_a_model_too(serve: Serve) -> None:
    async with live_service(serve, "I am the model.", thinking="receptionist") as rig:
        async with rig.call() as call:
            call.say("What are your opening hours?")
            await call.until(lambda heard: "nine" in heard.said("agent"))
        assert not rig.cloud.received.chats


@pytest.mark.parametrize("code", ["de", "it", "fr", "es", "pt", "nl"])
async def test_without_a_model_a_caller_hears_one_sentence_in_the_agents_language(
    serve: Serve, code: str
) -> None:
    pack = pack_for(code)
    assert pack is not None
    changes: dict[str, Any] = {
        **NO_MODEL,
        "speechmatics_language": code,
        "voice_fallback": "openai",
        "farewell_margin_ms": 0.0,
    }
    async with live_service(serve, **changes) as rig, dial(url_of(rig.server)) as core:
        await core.init()
        heard = await core.until_closed(timeout=PATIENCE_S)
        assert heard.said("agent") == pack.nobody
