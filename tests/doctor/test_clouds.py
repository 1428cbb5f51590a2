"""A cloud that fails is named with what to do about it, and never with another's remedy."""

import time
from pathlib import Path

import pytest
from tests.doctor.surroundings import NO_FILE, environment, examine, looked_at
from tests.services.stt.all_vendors import VENDORS

from avr_sts_speechmatics import doctor
from avr_sts_speechmatics.doctor import check
from avr_sts_speechmatics.sandbox.faults import (
    Error,
    Fault,
    Malformed,
    RefuseKey,
    RefuseRate,
    Stall,
    Status,
    Truncate,
)
from avr_sts_speechmatics.sandbox.scripted_cloud import RunningSandbox, running_sandbox
from avr_sts_speechmatics.services.stt import trial

PARTS = {"openai_tts": "second tts"}


def two_voices(cloud: RunningSandbox, **changes: str) -> dict[str, str]:
    return environment(
        cloud, **{"VOICE_FALLBACK": "openai", "OPENAI_TTS_URL": cloud.openai_url} | changes
    )


@pytest.mark.parametrize(
    ("fault", "sign", "advice"),
    [
        (RefuseKey(part="stt"), "401", "SPEECHMATICS_API_KEY"),
        (RefuseKey(part="stt", at="close"), "not_authorised", "SPEECHMATICS_API_KEY"),
        (RefuseKey(part="tts"), "401", "SPEECHMATICS_API_KEY"),
        (RefuseKey(part="openai_tts"), "401", "OPENAI_TTS_API_KEY"),
        (RefuseKey(part="llm"), "401", "OPENAI_API_KEY"),
        (Status(part="stt", status=503), "503", "again"),
        (Status(part="stt", status=404), "404", "SPEECHMATICS_RT_URL"),
        (Status(part="tts", status=503, count=None), "503", "again"),
        (Status(part="tts", status=404), "404", "SPEECHMATICS_VOICE"),
        (Status(part="openai_tts", status=404), "404", "OPENAI_TTS_MODEL"),
        (Status(part="openai_tts", status=422), "422", "OPENAI_TTS_VOICE"),
        (Status(part="openai_tts", status=429, count=None), "429", "credit"),
        (Status(part="openai_tts", status=503, count=None), "503", "again"),
        (Status(part="llm", status=404), "404", "OPENAI_MODEL"),
        (Status(part="llm", status=429, count=None), "429", "again"),
        (Error(part="stt", after=None, type="invalid_config"), "invalid_config", "VOCAB"),
        (Error(part="stt", after=None, type="invalid_model"), "invalid_model", "MODEL"),
        (Truncate(part="tts"), "cut", "again"),
        (Truncate(part="openai_tts"), "cut", "again"),
        (Malformed(part="llm", after=0), "cut", "again"),
    ],
)
async def test_a_service_that_fails_is_named_with_what_to_do(
    fault: Fault, sign: str, advice: str
) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(fault)
        found = await examine(two_voices(cloud))
    failed = [check for check in found.values() if check.state == "failed"]
    assert [check.what for check in failed] == [PARTS.get(fault.part, fault.part)]
    assert sign in failed[0].detail
    assert advice in failed[0].advice


@pytest.mark.parametrize(
    ("engine", "what", "limit"),
    [
        ("realtime", "enhanced", "does not pause the agent"),
        ("openai", "whisper-small", "only whole turns"),
        ("openai without turn detection", "whisper-small", "STT_SILENCE_MS after the last word"),
    ],
)
async def test_what_a_recogniser_cannot_do_is_said(engine: str, what: str, limit: str) -> None:
    async with VENDORS[engine].running() as vendor, running_sandbox() as cloud:
        stt = (await examine(environment(cloud) | vendor.environment))["stt"]
    assert stt.state == "ok"
    assert f"{what} listens (en)" in stt.detail
    assert limit in stt.advice


async def test_a_slow_service_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(check.SLOW_MS, "tts", -1)
    async with running_sandbox() as cloud:
        found = await examine(two_voices(cloud))
    assert found["tts"].state == "warning"
    assert found["tts"].latency_ms is not None
    assert found["tts"].advice
    assert found["second tts"].state == "ok"


# --- hearing --------------------------------------------------------------------------------------


async def test_a_refused_rate_is_no_failure_when_the_other_is_taken() -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(RefuseRate(rate=8000))
        stt = (await examine(environment(cloud)))["stt"]
    assert stt.state == "ok"
    assert "16000" in stt.advice


async def test_both_rates_refused_is_a_failure() -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(RefuseRate(rate=8000), RefuseRate(rate=16000))
        stt = (await examine(environment(cloud)))["stt"]
    assert stt.state == "failed"
    assert "16000" in stt.advice


async def test_a_full_quota_is_normal_told_at_once_and_one_free_session_is_enough() -> None:
    async with running_sandbox(max_calls=0) as cloud:
        begun = time.monotonic()
        stt = (await examine(environment(cloud)))["stt"]
        assert time.monotonic() - begun < 4
    assert stt.state == "warning"
    assert "quota_exceeded" in stt.detail
    assert stt.advice.startswith("Normal while that many calls go on")
    async with running_sandbox(max_calls=1) as cloud:
        assert (await examine(environment(cloud)))["stt"].state == "ok"


async def test_a_session_that_starts_but_takes_no_audio_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trial, "TRY_OUT_S", 0.5)
    async with running_sandbox() as cloud:
        cloud.faults.add(Stall(part="stt", after=0))
        stt = (await examine(environment(cloud)))["stt"]
    assert stt.state == "failed"
    assert "not acknowledged" in stt.detail


async def test_the_words_that_are_listened_for_are_the_default_agents(tmp_path: Path) -> None:
    (tmp_path / "default.yaml").write_text("vocabulary: [Brandvoll]\n")
    async with running_sandbox() as cloud:
        await doctor.examine(environment(cloud, AGENTS_DIR=str(tmp_path)), NO_FILE)
        (session,) = cloud.received.sessions
    assert session.start is not None
    assert "Brandvoll" in str(session.start["transcription_config"]["additional_vocab"])


async def test_every_language_an_agent_has_is_listened_for_one_after_another(
    tmp_path: Path,
) -> None:
    (tmp_path / "german.yaml").write_text("language: de\n")
    (tmp_path / "berlin.yaml").write_text("language: de\n")
    (tmp_path / "words.yaml").write_text("vocabulary: [Brandvoll]\n")
    async with running_sandbox(max_calls=1) as cloud:  # two at once would be refused
        found = await looked_at(environment(cloud, AGENTS_DIR=str(tmp_path)), "stt")
        starts = [session.start or {} for session in cloud.received.sessions]
    default, german, words = found
    assert default.detail.endswith(": default: linden-1 listens (en)")
    assert words.detail.endswith(": words: linden-1 listens (en)")
    # The sandbox hears English only, and says so as the cloud does of an unknown language.
    assert (default.state, german.state, words.state) == ("ok", "failed", "ok")
    assert ": berlin, german: invalid_language" in german.detail
    assert german.advice.startswith("Correct SPEECHMATICS_LANGUAGE")
    assert len(starts) == 3


async def test_an_account_without_credit_is_a_failure() -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(Error(part="stt", after=None, type="insufficient_funds"))
        stt = (await examine(environment(cloud)))["stt"]
    assert stt.state == "failed"
    assert "billing" in stt.advice
