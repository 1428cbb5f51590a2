"""Every voice that calls may have is asked, and what they can do together is said."""

from pathlib import Path

import pytest
from tests.doctor.surroundings import NO_FILE, environment, examine, looked_at, offline

from avr_sts_speechmatics import doctor
from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.doctor import voices as of_voices
from avr_sts_speechmatics.doctor.voices import combination
from avr_sts_speechmatics.sandbox.faults import Fault, RefuseKey, Status
from avr_sts_speechmatics.sandbox.scripted_cloud import RunningSandbox, running_sandbox
from avr_sts_speechmatics.services import announced_ends
from avr_sts_speechmatics.settings import load

HERE = {"TTS": "http", "OPENAI_TTS_URL": "http://localhost:8880/v1", "OPENAI_TTS_VOICE": "anna"}
CLOUD = {"SPEECHMATICS_API_KEY": "a-key"}
OPENAI = {"OPENAI_API_KEY": "another-key"}


def both(cloud: RunningSandbox, **changes: str) -> dict[str, str]:
    return environment(
        cloud, **{"VOICE_FALLBACK": "openai", "OPENAI_TTS_URL": cloud.openai_url} | changes
    )


async def test_every_voice_an_agent_has_is_asked_once_and_named_if_it_fails(
    tmp_path: Path,
) -> None:
    (tmp_path / "sales.yaml").write_text("voice: theo\n")
    (tmp_path / "support.yaml").write_text("voice: theo\n")
    (tmp_path / "night.yaml").write_text("voice: tina\n")
    (tmp_path / "german.yaml").write_text("voice: {engine: openai, name: echo}\n")
    async with running_sandbox() as cloud:
        environ = environment(cloud, AGENTS_DIR=str(tmp_path), OPENAI_TTS_URL=cloud.openai_url)
        found = await looked_at(environ, "tts", "second tts")
        asked = [request.path for request in cloud.received.speech]
    assert sorted(asked) == [
        "/generate/sarah",
        "/generate/theo",
        "/generate/tina",
        "/v1/audio/speech",
    ]
    (failed,) = (check for check in found if check.state != "ok")
    assert (failed.what, failed.state) == ("tts", "failed")
    assert "tina" in failed.detail
    assert "the agent's" in failed.advice


async def test_a_voice_that_no_call_would_have_is_not_asked() -> None:
    async with running_sandbox() as cloud:
        found = await examine(both(cloud, SPEECHMATICS_LANGUAGE="de"))
        assert [request.path for request in cloud.received.speech] == ["/v1/audio/speech"]
    assert found["second tts"].state == "ok"
    assert "tts" not in found


async def test_the_second_voice_is_sent_its_own_key() -> None:
    async with running_sandbox() as cloud:
        await doctor.examine(both(cloud, OPENAI_TTS_API_KEY="voice-key"), NO_FILE)
        keys = {r.path: r.headers["Authorization"] for r in cloud.received.speech}
    assert keys["/v1/audio/speech"] == "Bearer voice-key"


async def test_a_second_voice_without_a_key_is_a_failure_and_nobody_is_asked(
    tmp_path: Path,
) -> None:
    (tmp_path / "default.yaml").write_text("voice: {engine: openai}\n")
    (found,) = await looked_at(offline(AGENTS_DIR=str(tmp_path)), "second tts")
    assert found.state == "failed"
    assert found.latency_ms is None
    assert "OPENAI_TTS_API_KEY" in found.advice


async def test_a_voice_that_does_not_speak_the_agents_language_is_a_warning() -> None:
    async with running_sandbox() as cloud:
        (voice,) = await looked_at(environment(cloud, SPEECHMATICS_LANGUAGE="de"), "tts")
    assert voice.state == "warning"
    assert "de" in voice.detail
    assert "VOICE_FALLBACK=openai" in voice.advice


# --- a server of voices ---------------------------------------------------------------------------


def http(cloud: RunningSandbox, **changes: str) -> dict[str, str]:
    return environment(cloud, **{"TTS": "http", "OPENAI_TTS_URL": cloud.openai_url} | changes)


async def test_a_server_of_voices_is_the_first_voice_and_speechmatics_is_not_asked() -> None:
    async with running_sandbox() as cloud:
        found = await examine(http(cloud, OPENAI_TTS_VOICE="onyx"))
        asked = [request.path for request in cloud.received.speech]
    assert found["tts"].state == "ok"
    assert found["tts"].detail.endswith(": onyx: speaks")
    assert "second tts" not in found
    assert asked == ["/v1/audio/speech"]


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (RefuseKey(part="openai_tts"), "OPENAI_TTS_API_KEY"),
        (Status(part="openai_tts", status=404), "OPENAI_TTS_MODEL, or OPENAI_TTS_URL"),
        (Status(part="openai_tts", status=400), "OPENAI_TTS_VOICE"),
    ],
)
async def test_advice_about_the_first_voice_is_that_of_its_server(
    fault: Fault, advice: str
) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(fault)
        found = await examine(http(cloud, VOICE_FALLBACK="speechmatics"))
    assert found["tts"].state == "failed"
    assert advice in found["tts"].advice
    assert found["second tts"].state == "ok"


# --- what the voices can do together --------------------------------------------------------------

NOT_THAT = "which does not speak that language"
PREVIEW = "Speechmatics' text-to-speech is a preview: no end is announced, and no promise is made"


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "en: sarah (the sandbox, en only), no second voice"),
        (CLOUD, f"en: sarah (Speechmatics, en only), no second voice; {PREVIEW}"),
        (
            CLOUD | {"SPEECHMATICS_LANGUAGE": "de"},
            f"de: sarah (Speechmatics, en only), {NOT_THAT}, no second voice; {PREVIEW}",
        ),
        (
            CLOUD | OPENAI | {"VOICE_FALLBACK": "openai"},
            "en: sarah (Speechmatics, en only), then nova (https://api.openai.com/v1); " + PREVIEW,
        ),
        (
            CLOUD | OPENAI | {"VOICE_FALLBACK": "openai", "SPEECHMATICS_LANGUAGE": "de"},
            "de: nova (https://api.openai.com/v1), no second voice",
        ),
        (HERE, "en: anna (http://localhost:8880/v1), no second voice"),
        (
            HERE | CLOUD | {"VOICE_FALLBACK": "speechmatics"},
            "en: anna (http://localhost:8880/v1), then sarah (Speechmatics, en only); " + PREVIEW,
        ),
        (
            HERE | CLOUD | {"VOICE_FALLBACK": "speechmatics", "SPEECHMATICS_LANGUAGE": "it"},
            "it: anna (http://localhost:8880/v1), no second voice",
        ),
        (
            HERE | OPENAI | {"VOICE_FALLBACK": "openai", "SPEECHMATICS_LANGUAGE": "it"},
            "it: anna (http://localhost:8880/v1), then nova (OpenAI)",
        ),
    ],
)
def test_what_each_combination_speaks_is_said(environ: dict[str, str], said: str) -> None:
    chosen = load(environ, NO_FILE)
    found = combination(chosen, Agents.load(chosen))
    assert (found.what, found.state, found.detail) == ("voices", "ok", said)


def test_agents_with_voices_of_their_own_are_said_each_once(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("language: it\nvoice: bella\n")
    (tmp_path / "two.yaml").write_text("language: it\nvoice: bella\n")
    (tmp_path / "three.yaml").write_text("voice: {engine: speechmatics, name: theo}\n")
    chosen = load(HERE | CLOUD | {"AGENTS_DIR": str(tmp_path)}, NO_FILE)
    found = combination(chosen, Agents.load(chosen))
    assert found.detail.split("; ") == [
        "en: anna (http://localhost:8880/v1), no second voice",
        "it: bella (http://localhost:8880/v1), no second voice",
        "en: theo (Speechmatics, en only), no second voice",
        PREVIEW,
    ]


async def test_the_end_of_openais_voices_is_said_by_the_doctor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(announced_ends, "WARN_DAYS", 100_000)
    monkeypatch.setattr(of_voices, "speakers", lambda *_: ())  # OpenAI itself is not asked
    for environ in (
        {"TTS": "http", "OPENAI_TTS_API_KEY": "k"},
        {"VOICE_FALLBACK": "openai", "OPENAI_TTS_API_KEY": "k"},
    ):
        (found,) = await looked_at(offline(**environ), "model's end")
        assert found.state == "warning"
        assert "gpt-4o-mini-tts ends on 6 January 2027" in found.detail
        assert "OPENAI_TTS_URL" in found.advice
