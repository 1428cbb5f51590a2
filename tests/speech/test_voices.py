"""Who speaks for an agent: whose voice, in which language, and what is kept of it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from avr_sts_speechmatics.agents.agent import Agent, Engine, Voicing
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.sandbox.faults import Status
from avr_sts_speechmatics.sandbox.scripted_cloud import RunningSandbox, running_sandbox
from avr_sts_speechmatics.services import tts
from avr_sts_speechmatics.services.tts.protocol import Tts
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.speech import voices as of_voices
from avr_sts_speechmatics.speech.voices import Voices
from avr_sts_speechmatics.values import Secret

SPEECHMATICS, OPENAI = "/generate/", "/v1/audio/speech"
HERE = Voicing(None, None, "en")


def an_agent(
    *, language: str = "en", engine: Engine | None = None, voice: str | None = None
) -> Agent:
    return Agent("one", "", Manners(), language, voice=voice, voice_engine=engine)


@asynccontextmanager
async def voices(
    cloud: RunningSandbox,
    *,
    fallback: bool = False,
    phrases: Mapping[Voicing, tuple[str, ...]] | None = None,
    **changes: Any,
) -> AsyncIterator[Voices]:
    chosen: dict[str, Any] = {
        "voice_fallback": "openai" if fallback else None,
        "openai_tts_api_key": Secret("a-key"),
        "openai_tts_url": cloud.openai_url,
        "speechmatics_voice": "megan",
        "openai_tts_voice": "onyx",
    }
    settings = Settings(**chosen | changes)
    made = Voices(settings, cloud.tts_url, Secret("another-key"), phrases or {})
    try:
        yield made
    finally:
        await made.close()


async def say(voice: Tts, text: str = "Hello.") -> bytes:
    return b"".join([pcm async for pcm in voice.speak(text)])


def asked(cloud: RunningSandbox) -> list[tuple[str, str | None]]:
    """Where each request for speech went, and the voice OpenAI was asked for."""
    return [(request.path, request.body.get("voice")) for request in cloud.received.speech]


@pytest.mark.parametrize(
    ("agent", "fallback", "path", "voice"),
    [
        (an_agent(), False, SPEECHMATICS + "megan", None),
        (an_agent(), True, SPEECHMATICS + "megan", None),
        (an_agent(voice="theo"), True, SPEECHMATICS + "theo", None),
        (an_agent(language="en_ta"), True, SPEECHMATICS + "megan", None),
        (an_agent(language="de"), True, OPENAI, "onyx"),
        # A name alone is one of the first vendor.
        (an_agent(language="de", voice="theo"), True, SPEECHMATICS + "theo", None),
        # Told at the start; better with an accent than silent.
        (an_agent(language="de"), False, SPEECHMATICS + "megan", None),
        (an_agent(engine="openai"), False, OPENAI, "onyx"),
        (an_agent(engine="openai", voice="echo"), True, OPENAI, "echo"),
        (an_agent(language="de", engine="speechmatics"), True, SPEECHMATICS + "megan", None),
    ],
)
async def test_language_and_wish_decide_who_speaks(
    agent: Agent, fallback: bool, path: str, voice: str | None
) -> None:
    async with running_sandbox() as cloud, voices(cloud, fallback=fallback) as made:
        assert await say(made.of(agent)[0])
        assert asked(cloud) == [(path, voice)]


@pytest.mark.parametrize(
    ("agent", "voice"),
    [
        (an_agent(), "onyx"),
        (an_agent(language="de"), "onyx"),
        (an_agent(voice="echo"), "echo"),  # a name is a name at that server
        (an_agent(language="it", voice="echo"), "echo"),
        (an_agent(engine="openai", voice="alloy"), "alloy"),
    ],
)
async def test_a_server_of_voices_speaks_for_every_agent_in_every_language(
    agent: Agent, voice: str
) -> None:
    async with running_sandbox() as cloud, voices(cloud, tts="http") as made:
        assert await say(made.of(agent)[0])
        assert asked(cloud) == [(OPENAI, voice)]


async def test_an_agent_may_have_a_voice_of_speechmatics_beside_a_server_of_voices() -> None:
    agent = an_agent(engine="speechmatics", voice="theo")
    async with running_sandbox() as cloud:
        async with voices(cloud, tts="http", speechmatics_api_key=Secret("a-key")) as made:
            assert await say(made.of(agent)[0])
        # Without a key for Speechmatics the agent is not silent, and is not the sandbox's voice.
        async with voices(cloud, tts="http") as made:
            assert await say(made.of(agent)[0])
        assert asked(cloud) == [(SPEECHMATICS + "theo", None), (OPENAI, "onyx")]


async def test_speechmatics_takes_over_from_a_server_of_voices_in_english_only() -> None:
    changes: dict[str, Any] = {"tts": "http", "voice_fallback": "speechmatics"}
    async with running_sandbox() as cloud:
        cloud.faults.add(Status(part="openai_tts", status=404, count=None))
        async with voices(cloud, speechmatics_api_key=Secret("a-key"), **changes) as made:
            assert await say(made.of(an_agent())[0])
            with pytest.raises(ServiceError, match="OPENAI_TTS_URL"):
                await say(made.of(an_agent(language="it"))[0])
        assert asked(cloud) == [(OPENAI, "onyx"), (SPEECHMATICS + "megan", None), (OPENAI, "onyx")]


def test_openai_itself_takes_over_with_its_own_key_model_and_voice() -> None:
    settings = Settings(
        tts="http",
        voice_fallback="openai",
        openai_tts_url="http://localhost:8880/v1",
        openai_tts_model="kokoro",
        openai_tts_voice="af_heart",
        openai_tts_api_key=Secret("the servers"),
        openai_api_key=Secret("openais"),
    )
    first, second = of_voices.line_up(settings, Voicing(None, None, "pt"))
    assert first == ("openai", "af_heart")
    assert second == ("openai.com", "nova")
    engine = tts.ENGINES[second.engine]
    assert engine.address(settings) == "https://api.openai.com/v1"
    assert engine.key(settings) == Secret("openais")
    assert engine.model(settings) == "gpt-4o-mini-tts"


async def test_the_second_voice_takes_over_where_it_may_and_only_there() -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(Status(part="tts", status=404, count=None))
        async with voices(cloud, fallback=True) as made:
            assert await say(made.of(an_agent())[0])
            assert asked(cloud) == [(SPEECHMATICS + "megan", None), (OPENAI, "onyx")]


async def test_one_call_that_changed_its_voice_does_not_change_anothers() -> None:
    async with running_sandbox() as cloud, voices(cloud, fallback=True) as made:
        one, _ = made.of(an_agent())
        other, _ = made.of(an_agent())
        assert one is not other
        cloud.faults.add(Status(part="tts", status=404))
        await say(one)
        assert [path for path, _ in asked(cloud)] == [SPEECHMATICS + "megan", OPENAI]


async def test_agents_that_sound_alike_share_a_voice_and_what_is_kept_of_it() -> None:
    loud = Voicing(None, "theo", "en")
    kept = {HERE: ("Good morning.",), loud: ("Good evening.",)}
    async with running_sandbox() as cloud, voices(cloud, phrases=kept) as made:
        assert made.missing == 2
        await made.prepare()
        assert made.missing == 0
        assert len(cloud.received.speech) == 2
        (voice, phrases), (same, shared) = made.of(an_agent()), made.of(an_agent())
        assert (voice, phrases) == (same, shared)
        assert phrases.get("Good morning.")
        assert phrases.get("Good evening.") is None
        _, other = made.of(an_agent(voice="theo"))
        assert other.get("Good evening.")


async def test_a_voice_chosen_for_one_call_has_nothing_kept_and_speaks() -> None:
    async with running_sandbox() as cloud, voices(cloud, phrases={HERE: ("Hello.",)}) as made:
        await made.prepare()
        voice, phrases = made.of(an_agent(voice="jack"))
        assert phrases.get("Hello.") is None
        assert await say(voice)
        assert made.missing == 0


async def test_a_phrase_that_fails_costs_no_other_voice_its_own_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(of_voices, "AGAIN_S", 0.01)
    kept = {Voicing(None, "theo", "en"): ("Hello.",), HERE: ("Hello.",)}
    async with running_sandbox() as cloud, voices(cloud, phrases=kept) as made:
        cloud.faults.add(Status(part="tts", status=403))
        await made.prepare()
        assert made.missing == 0
        names = ("theo", "megan", "theo")
        assert [path for path, _ in asked(cloud)] == [SPEECHMATICS + name for name in names]
