"""Who answers a call, and with whose instructions."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from tests.support import ROOT

from avr_sts_speechmatics.agents.agent import Voicing
from avr_sts_speechmatics.agents.agents import NUMBER_FACTS, Agents
from avr_sts_speechmatics.agents.instructions import DEFAULT_INSTRUCTIONS
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.language_packs import ENGLISH, pack_for
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.values import Secret, VocabEntry

EXAMPLES = ROOT / "examples" / "agents"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes agents, text by name, into a folder."""

    def writing(**agents: str) -> Path:
        for name, text in agents.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        return tmp_path

    return writing


def load(**settings: Any) -> Agents:
    return Agents.load(Settings(**settings))


def calling(**facts: str) -> Caller:
    return Caller("a-uuid", "test", facts)


def mistakes_of(**settings: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        load(**settings)
    return str(caught.value)


# --- who answers ----------------------------------------------------------------------------------


def test_without_agent_files_the_agent_of_the_settings_answers() -> None:
    words = (VocabEntry("Brandvoll"),)
    agents = load(
        speechmatics_welcome_message="Hi.",
        speechmatics_language="en-GB",
        speechmatics_additional_vocab=words,
        no_input_s=3.0,
    )
    agent = agents.for_call(calling(to="600"))
    assert agent.name == "default"
    assert agent.instructions == DEFAULT_INSTRUCTIONS
    assert (agent.manners.welcome, agent.manners.no_input_s) == ("Hi.", 3.0)
    assert (agent.language, agent.vocabulary) == ("en-GB", words)
    assert (agent.voice, agent.voice_engine, agent.model, agent.tools) == (None,) * 4
    assert agents.all == (agent,)
    assert agents.warnings == ()


def test_values_that_an_agent_does_not_set_come_from_the_settings(write: Write) -> None:
    text = "voice: theo\nmodel: small\ntools: [find]\nmanners: {no_input_s: 3, wait: Wait.}"
    agents = load(agents_dir=write(host=text), filler_after_ms=500.0, speechmatics_language="en")
    agent = agents.for_call(calling(agent="host"))
    assert agent.instructions == DEFAULT_INSTRUCTIONS
    assert agent.manners.welcome == ENGLISH.welcome
    assert (agent.manners.no_input_s, agent.manners.filler_s) == (3.0, 0.5)
    assert agent.manners.wait == "Wait."
    assert (agent.voice_engine, agent.voice, agent.language) == (None, "theo", "en")
    assert (agent.model, agent.tools) == ("small", frozenset({"find"}))


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({"agent": "desk"}, "desk"),
        ({"agent": "desk", "to": "600"}, "desk"),
        ({"agent": " desk "}, "desk"),
        ({"agent": "", "to": "600"}, "host"),
        ({"to": "600"}, "host"),
        *(({fact: "600"}, "host") for fact in NUMBER_FACTS),
        ({"to": "700", "exten": "600"}, "host"),
        ({"exten": "600", "to": "5123"}, "desk"),
        ({"from": "600"}, "default"),
        ({"to": "700"}, "default"),
        ({}, "default"),
    ],
)
def test_an_agent_is_picked_by_its_name_or_by_the_number_called(
    write: Write, facts: dict[str, str], name: str
) -> None:
    agents = load(agents_dir=write(host="numbers: [600]", desk="numbers: [_5XXX]"))
    assert agents.for_call(calling(**facts)).name == name


def test_an_unknown_agent_is_logged_and_the_default_agent_answers(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    agents = load(agents_dir=write(support="numbers: [600]"))
    assert agents.for_call(calling(agent="Support\n", to="600")).name == "default"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    expected = "there is no agent 'Support': the default agent answers; did you mean support?"
    assert record.getMessage() == expected

    assert agents.for_call(calling(agent="x" * 1000)).name == "default"
    assert len(caplog.records[1].getMessage()) < 100


def test_default_yaml_replaces_the_agent_of_the_settings(write: Write) -> None:
    agents = load(agents_dir=write(default="instructions: Be kind.", host="numbers: [600]"))
    assert agents.for_call(calling(to="1")).instructions == "Be kind."
    assert agents.for_call(calling(agent="no")).instructions == "Be kind."
    assert agents.for_call(calling(to="600")).instructions == DEFAULT_INSTRUCTIONS
    assert [agent.name for agent in agents.all] == ["default", "host"]


# --- whose instructions ---------------------------------------------------------------------------


@asynccontextmanager
async def told(reply: Callable[[web.Request], Any]) -> AsyncIterator[str]:
    """The address of a web service that gives this reply."""

    async def handle(request: web.Request) -> web.StreamResponse:
        found = reply(request)
        return web.json_response(await found if asyncio.iscoroutine(found) else found)

    app = web.Application()
    app.router.add_get("/agent", handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    try:
        yield f"http://{host}:{port}/agent"
    finally:
        await runner.cleanup()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "instructions.txt"
    path.write_text("Of the file.")
    return path


async def instructions(agents: Agents, **facts: str) -> str:
    """Those a call gets."""
    try:
        caller = calling(**facts)
        agent = agents.for_call(caller)
        return (await agents.brief(agent, caller)).instructions
    finally:
        await agents.close()


async def test_the_sources_of_instructions_override_each_other_in_their_order(
    file: Path,
) -> None:
    asked = 0

    def reply(_: web.Request) -> dict[str, str]:
        nonlocal asked
        asked += 1
        return {"system": "Of the service."}

    async with told(reply) as url:
        for text, address, path, expected in [
            (None, None, None, DEFAULT_INSTRUCTIONS),
            (None, None, file, "Of the file."),
            (None, url, None, "Of the service."),
            (None, url, file, "Of the service."),
            ("Of the text.", None, file, "Of the text."),
            ("Of the text.", url, file, "Of the text."),
        ]:
            agents = load(
                speechmatics_instructions=text,
                speechmatics_url_instructions=address,
                speechmatics_file_instructions=path,
            )
            assert await instructions(agents) == expected
    assert asked == 2


async def test_an_overridden_source_of_instructions_is_reported(file: Path) -> None:
    agents = load(
        speechmatics_instructions="Be kind.",
        speechmatics_url_instructions="http://127.0.0.1:9",
        speechmatics_file_instructions=file,
    )
    await agents.close()
    assert [warning.split()[0] for warning in agents.warnings] == [
        "SPEECHMATICS_URL_INSTRUCTIONS",
        "SPEECHMATICS_FILE_INSTRUCTIONS",
    ]


async def test_an_agent_with_own_instructions_does_not_ask_the_web_service(write: Write) -> None:
    async with told(lambda _: {"system": "Of the service."}) as url:
        folder = write(own="instructions: Its own.", other="voice: theo")
        (folder / "own.txt").write_text("Of its own file.")
        write(filed="instructions_file: own.txt")
        agents = load(agents_dir=folder, speechmatics_url_instructions=url)
        assert {agent.name: agents.needs_brief(agent) for agent in agents.all} == {
            "default": True,
            "filed": False,
            "other": True,
            "own": False,
        }
        assert await instructions(agents, agent="own") == "Its own."
        assert await instructions(agents, agent="filed") == "Of its own file."
        assert await instructions(agents, agent="other") == "Of the service."
        (folder / "own.txt").write_text("Of its own file, changed.")
        assert await instructions(agents, agent="filed") == "Of its own file, changed."


def test_a_changed_file_is_used_from_the_next_call(file: Path) -> None:
    agents = load(speechmatics_file_instructions=file)
    assert agents.for_call(calling()).instructions == "Of the file."
    file.write_text("Of the changed file.")
    assert agents.for_call(calling()).instructions == "Of the changed file."
    file.unlink()
    assert agents.for_call(calling()).instructions == "Of the changed file."


def test_a_file_that_cannot_be_used_stops_the_start(file: Path) -> None:
    file.write_text("")
    said = mistakes_of(speechmatics_file_instructions=file)
    assert said.startswith(f"SPEECHMATICS_FILE_INSTRUCTIONS={file}: give a text of 1 to")


async def test_the_reply_of_the_web_service_applies_to_one_call_only() -> None:
    def reply(request: web.Request) -> dict[str, Any]:
        if request.query["from"] == "1":
            return {"system": "Be kind."}
        voice = {"engine": "openai", "name": "nova"}
        said = {"welcome": "Hallo.", "voice": voice, "language": "de", "tools": []}
        return {"system": "Sei nett."} | said

    async with told(reply) as url:
        agents = load(speechmatics_url_instructions=url)
        before = agents.for_call(calling())
        german = await agents.brief(before, calling(**{"from": "2"}))
        english = await agents.brief(before, calling(**{"from": "1"}))
        await agents.close()
    assert (german.instructions, german.manners.welcome) == ("Sei nett.", "Hallo.")
    assert (german.voice_engine, german.voice, german.language) == ("openai", "nova", "de")
    assert german.tools == frozenset()
    assert english.instructions == "Be kind."
    assert english.manners == before.manners
    assert (english.voicing, english.tools) == (before.voicing, before.tools)
    assert agents.for_call(calling()) == before


async def test_a_call_has_the_phrases_of_the_language_that_the_service_chose(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with told(lambda _: {"system": "Sei gentile.", "language": "it"}) as url:
        agents = load(speechmatics_url_instructions=url)
        try:
            agent = await agents.brief(agents.for_call(calling()), calling())
        finally:
            await agents.close()
    pack = pack_for("it")
    assert pack is not None
    assert (agent.language, agent.instructions) == ("it", "Sei gentile.")
    assert (agent.manners.welcome, agent.manners.fillers) == (pack.welcome, pack.fillers)
    assert caplog.records == []


async def test_a_language_that_differs_from_the_phrases_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with told(lambda _: {"system": "Var snäll.", "language": "sv"}) as url:
        agents = load(speechmatics_url_instructions=url)
        for _ in range(3):
            await agents.brief(agents.for_call(calling()), calling())
        await agents.close()
    (record,) = caplog.records
    assert "language sv" in record.getMessage()


async def test_a_slow_web_service_is_replaced_by_the_file_after_two_seconds(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with told(lambda _: asyncio.sleep(30)) as url:
        agents = load(speechmatics_url_instructions=url, speechmatics_file_instructions=file)
        begun = time.monotonic()
        assert await instructions(agents) == "Of the file."
        assert 1.9 < time.monotonic() - begun < 4
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "SPEECHMATICS_URL_INSTRUCTIONS: no whole answer within 2 s; "
        "this call has SPEECHMATICS_FILE_INSTRUCTIONS"
    )


async def test_a_failed_web_service_leaves_the_agent_of_the_next_source(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with told(lambda _: {"system": "Sei nett.", "welcome": 5}) as url:
        agents = load(speechmatics_url_instructions=f"{url}?token=secret")
        caller = calling(**{"from": "493012345"})
        agent = agents.for_call(caller)
        assert await agents.brief(agent, caller) == agent
        await agents.close()
    (record,) = caplog.records
    said = record.getMessage()
    assert "at `$.welcome`; this call has the default text" in said
    assert not any(word in said for word in ("secret", "4930", "nett"))


# --- what is wrong at the start -------------------------------------------------------------------


def test_all_mistakes_of_all_agents_stop_the_start_at_once(write: Write) -> None:
    folder = write(
        a="\nvoise: theo\nnumbers: [600]",
        b="numbers: ['6 00', '_5[']",
        c="manners:\n  barge_in: x",
        d="voice: theo\n",
    )
    begin = f"AGENTS_DIR={folder}: {folder}/"
    said = mistakes_of(agents_dir=folder)
    assert said.startswith(begin)
    assert [line.removeprefix(f"{folder}/") for line in said.removeprefix(begin).splitlines()] == [
        "a.yaml, line 2: voise: not known; did you mean voice?",
        "c.yaml, line 2: manners.barge_in: 'x' cannot be used: give one of words, speech, off.",
        f"b.yaml, line 1: numbers: 6 00 is taken: {folder}/a.yaml, line 3: numbers.",
        "b.yaml, line 1: numbers: _5[: [ begins no set of characters, such as [137] or [2-4].",
    ]


def test_a_folder_without_agents_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no agent")
    assert "no agent in it; write one as a file such as support" in mistakes_of(agents_dir=tmp_path)


def test_a_folder_that_is_gone_stops_the_start(tmp_path: Path) -> None:
    assert "cannot be read" in mistakes_of(agents_dir=tmp_path / "gone")


def test_two_files_for_one_agent_are_a_mistake(write: Write) -> None:
    folder = write(host="voice: theo")
    (folder / "host.yml").write_text("voice: jack")
    assert "host.yaml exists too" in mistakes_of(agents_dir=folder)


def test_an_unknown_tool_is_reported_with_its_file_and_line(write: Write) -> None:
    folder = write(host="voice: theo\ntools: [find, avr_transfr, other]", desk="tools: []")
    assert list(load(agents_dir=folder).unknown_tools({"find", "avr_transfer"})) == [
        f"{folder}/host.yaml, line 2: tools: there is no tool '{tool}'; {mend}"
        for tool, mend in [
            ("avr_transfr", "did you mean avr_transfer?"),
            ("other", "remove the name, or add the tool."),
        ]
    ]


# --- another language -----------------------------------------------------------------------------

CHINESE = """
language: cmn
welcome: 您好。
manners:
  disclosure: 我是自动助理。
  sorry: 请再说一遍。
  farewell: 请稍后再打。
  wait: 请稍等。
  goodbye: 再见。
  transferring: 正在转接。
  prompts: 您还在吗？
"""


def test_english_phrases_in_a_language_without_a_pack_are_reported(write: Write) -> None:
    whole = CHINESE + "  fillers: 请稍等。\n  busy_message: 线路忙。\n"
    folder = write(
        whole=whole,
        short=CHINESE,
        long=whole + "  max_call_s: 60\n",
        tamil="language: en_ta",
        german="language: de",
        mute=whole.replace("您好。", ""),
        rude=whole.replace("welcome: 您好。", ""),
    )
    ends = {
        warning.split(": ")[0].rpartition("/")[2]: warning.rpartition("write ")[2]
        for warning in load(agents_dir=folder).warnings
    }
    assert ends == {
        "short.yaml": "manners.fillers, manners.busy_message.",
        "long.yaml": "manners.warning.",
        "rude.yaml": "welcome.",
    }


def test_english_phrases_are_reported_if_the_settings_have_another_language(write: Write) -> None:
    (warning,) = load(speechmatics_language="cmn").warnings
    assert warning.startswith("SPEECHMATICS_LANGUAGE=cmn, but some phrases of the agent are Engl")
    assert "default.yaml" in warning
    assert "welcome, manners.disclosure, manners.sorry" in warning
    folder = write(default=CHINESE + "  fillers: 请稍等。\n")
    changes = {"speechmatics_language": "cmn", "agents_dir": folder}
    assert load(**changes, busy_message="线路忙。").warnings == ()
    assert load(**changes, audiosocket_port=None).warnings == ()
    assert load(**changes, on_busy="refuse").warnings == ()
    (warning,) = load(**changes).warnings
    assert warning.endswith("write manners.busy_message.")


@pytest.mark.parametrize("code", ["de", "it", "fr", "es", "pt", "nl"])
def test_an_agent_has_the_texts_of_its_language(write: Write, code: str) -> None:
    pack = pack_for(code)
    assert pack is not None
    for agents in (
        load(speechmatics_language=code),
        load(agents_dir=write(one=f"language: {code}")),
    ):
        agent = agents.all[-1]
        assert agents.warnings == ()
        assert agent.instructions == pack.instructions
        manners = agent.manners
        assert (manners.welcome, manners.sorry, manners.fillers, manners.backchannels) == (
            *(pack.welcome, pack.sorry, pack.fillers, pack.backchannels),
        )
        assert set(manners.phrases).isdisjoint(Manners().phrases)


def test_what_the_operator_writes_wins_over_the_texts_of_the_language(write: Write) -> None:
    folder = write(
        one="language: it\nwelcome: Ciao.\nmanners:\n  sorry: Scusi.\n  prompts: Pronto?\n"
    )
    agent = load(agents_dir=folder).for_call(calling(agent="one"))
    assert (agent.manners.welcome, agent.manners.sorry) == ("Ciao.", "Scusi.")
    assert agent.manners.prompts == ("Pronto?",)
    assert agent.manners.goodbye == "Grazie per la chiamata. Arrivederci."
    own = load(
        speechmatics_language="it",
        speechmatics_welcome_message="Hello!",
        speechmatics_instructions="Sell bread.",
        barge_in_backchannels=("eh",),
    )
    (agent,) = own.all
    assert (agent.instructions, agent.manners.welcome) == ("Sell bread.", "Hello!")
    assert agent.manners.backchannels == ("eh",)
    assert own.warnings == ()


def test_a_welcome_for_another_language_is_reported(write: Write) -> None:
    folder = write(one="language: it")
    (warning,) = load(agents_dir=folder, speechmatics_welcome_message="Hello!").warnings
    assert warning.endswith("write welcome.")


def test_an_agent_without_a_model_has_one_sentence_in_its_language() -> None:
    alone = Secret("a-key")  # and none of a model
    (agent,) = load(speechmatics_language="de", speechmatics_api_key=alone).all
    assert agent.manners.farewell.endswith("kann niemand Ihren Anruf entgegennehmen.")
    assert agent.manners.welcome == ""


def test_a_model_without_a_pack_is_told_the_language() -> None:
    (agent,) = load(speechmatics_language="cmn").all
    told = "Speak the language of the caller, whose code is cmn."
    assert agent.instructions == f"{DEFAULT_INSTRUCTIONS} {told}"


# --- what is kept as speech -----------------------------------------------------------------------


def test_phrases_are_kept_for_each_voicing(write: Write) -> None:
    folder = write(
        host="voice: theo\nwelcome: Good evening.\nmanners: {wait: Wait.}",
        bar="voice: theo\nwelcome: Cheers.",
        desk="voice: {engine: openai}\nlanguage: de\nwelcome: Hallo {from}.",
    )
    agents = load(agents_dir=folder, speechmatics_welcome_message="")
    kept = agents.phrases()
    theo = Voicing(None, "theo", "en")
    openai = Voicing("openai", None, "de")
    assert kept.keys() == {Voicing(None, None, "en"), theo, openai}
    assert {"Good evening.", "Cheers.", "Wait."} < set(kept[theo])
    assert all(len(set(texts)) == len(texts) for texts in kept.values())
    assert "" not in kept[Voicing(None, None, "en")]
    assert not any("{" in text for text in kept[openai])
    assert agents.for_call(calling(agent="host")).voicing == theo


# --- the examples ---------------------------------------------------------------------------------


def test_the_example_agents_load_without_a_warning() -> None:
    agents = load(agents_dir=EXAMPLES)
    assert agents.warnings == ()
    assert agents.for_call(calling(to="600")).name == "restaurant"
    support = agents.for_call(calling(to="6117"))
    assert support.name == "support"
    assert "serial number" in support.instructions
    assert list(agents.unknown_tools({"avr_transfer", "avr_hangup"})) == []


# --- the day, and names in braces ----------------------------------------------------------------


def test_an_agent_has_its_own_time_zone_or_that_of_the_settings(write: Write) -> None:
    folder = write(oslo="time_zone: Europe/Oslo", other="language: en")
    zone = ZoneInfo("Asia/Tokyo")
    agents = {agent.name: agent for agent in load(agents_dir=folder, time_zone=zone).all}
    assert agents["oslo"].time_zone == ZoneInfo("Europe/Oslo")
    assert agents["other"].time_zone == agents["default"].time_zone == zone


def test_an_unknown_name_in_braces_is_reported_with_its_file(write: Write, tmp_path: Path) -> None:
    (tmp_path / "told.txt").write_text("Talk to {branch}. Today is {date}.")
    folder = write(
        one="language: en\nwelcome: Hello {customer}.",
        two="instructions: Today is {wekday}, {date}.",
        three="welcome: Hello {from}.",
    )
    warnings = load(
        agents_dir=folder,
        speechmatics_file_instructions=tmp_path / "told.txt",
        speechmatics_welcome_message="Good {daytime}!",
    ).warnings
    silent = "nothing stands there if it does not."
    told = [
        f"{folder}/one.yaml, line 2: welcome: {{customer}} is empty unless the dialplan sends ",
        f"customer; {silent}\n",
        f"{folder}/two.yaml, line 1: instructions: {{wekday}} is empty unless the dialplan sends ",
        "wekday; did you mean {weekday}?\n",
        f"{tmp_path}/told.txt: {{branch}} is empty unless the dialplan sends branch; {silent}\n",
        "SPEECHMATICS_WELCOME_MESSAGE: {daytime} is empty unless the dialplan sends daytime; ",
        "did you mean {time}?\n",
    ]
    assert set(warnings) == set("".join(told).splitlines())
