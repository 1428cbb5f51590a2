"""An agent's file: all it may say, and every mistake with file, line and key."""

import os
import textwrap
from dataclasses import fields, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.support import ROOT

from avr_sts_speechmatics.agents.agent import VoiceChoice
from avr_sts_speechmatics.agents.agent_file import (
    KEYS,
    PHRASE_MAX,
    TUNABLE,
    WrittenAgent,
    read_agent,
)
from avr_sts_speechmatics.dialogue.manners import PHRASE_LISTS, PHRASES, Manners
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.values import VocabEntry

WHOLE = """
instructions: |
  You are the host.
  Ask one thing at a time.
welcome: Good evening, {from}.
voice: {engine: openai, name: nova}
language: no
time_zone: Europe/Oslo
vocabulary:
  - Brandvoll
  - {content: Siobhan, sounds_like: [shiv awn, shi vawn]}
  - content: Niamh
    sounds_like: neev
model: gpt-6-luna
tools: [avr_transfer, crm.find]
numbers: [0100, +49 30 12, _5XXX]
manners:
  disclosure: Jeg er en maskin.
  recording_notice: Samtalen blir tatt opp.
  barge_in: off
  barge_in_confirm_ms: 300
  barge_in_min_words: 2
  barge_in_backchannels: [Uh-huh, ja]
  welcome_barge_in: no
  no_input_s: 10.5
  no_input_max: 3
  max_call_s: 600
  filler_after_ms: 0
  dtmf_timeout_ms: 4000
  dictation_ms: 2500
  unfinished_ms: 600
  preemptive: off
  farewell_margin_ms: 800
  busy_message: Alt er opptatt.
  tool_rounds: 3
  sorry: Beklager.
  farewell: Ring igjen senere.
  wait: Et øyeblikk.
  goodbye: Ha det bra.
  transferring: Jeg setter deg over.
  warning: Vi må snart slutte.
  prompts: ["Er du der?", Jeg hører deg ikke.]
  fillers: La meg se.
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "host.yaml"


def read(path: Path, text: str | bytes) -> tuple[WrittenAgent | None, list[str]]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    mistakes: list[str] = []
    return read_agent(path, mistakes), mistakes


def good(path: Path, text: str) -> WrittenAgent:
    agent, mistakes = read(path, text)
    assert mistakes == []
    assert agent is not None
    return agent


def test_an_agent_has_what_was_written(path: Path) -> None:
    agent = good(path, WHOLE)
    assert agent.name == "host"
    assert agent.instructions == "You are the host.\nAsk one thing at a time."
    assert agent.instructions_file is None
    assert agent.voice == VoiceChoice("openai", "nova")
    assert agent.tools == frozenset({"avr_transfer", "crm.find"})
    assert agent.numbers == ("0100", "+49 30 12", "_5XXX")
    assert agent.settings == {
        "speechmatics_welcome_message": "Good evening, {from}.",
        "speechmatics_language": "no",
        "speechmatics_additional_vocab": (
            VocabEntry("Brandvoll"),
            VocabEntry("Siobhan", ("shiv awn", "shi vawn")),
            VocabEntry("Niamh", ("neev",)),
        ),
        "time_zone": ZoneInfo("Europe/Oslo"),
        "openai_model": "gpt-6-luna",
        "disclosure": "Jeg er en maskin.",
        "recording_notice": "Samtalen blir tatt opp.",
        "barge_in": "off",
        "barge_in_confirm_ms": 300.0,
        "barge_in_min_words": 2,
        "barge_in_backchannels": ("uhhuh", "ja"),
        "welcome_barge_in": False,
        "no_input_s": 10.5,
        "no_input_max": 3,
        "max_call_s": 600.0,
        "filler_after_ms": 0.0,
        "dtmf_timeout_ms": 4000.0,
        "dictation_ms": 2500.0,
        "unfinished_ms": 600.0,
        "preemptive": "off",
        "farewell_margin_ms": 800.0,
        "busy_message": "Alt er opptatt.",
        "tool_rounds": 3,
    }
    assert agent.phrases["sorry"] == "Beklager."
    assert agent.phrases["prompts"] == ("Er du der?", "Jeg hører deg ikke.")
    assert agent.phrases["fillers"] == ("La meg se.",)


def test_every_manner_can_be_set_in_an_agent_file(path: Path) -> None:
    agent = good(path, WHOLE)
    usual = Settings().manners
    for name in TUNABLE:
        own = replace(Settings(), **{name: agent.settings[name]}).manners
        assert own != usual, f"{name} changes nothing"
    assert agent.phrases.keys() == {*PHRASES, *PHRASE_LISTS}
    manners = replace(
        Manners(welcome="Hei.", busy="Alt er opptatt.", max_call_s=1), **agent.phrases
    )
    english = Manners(max_call_s=1)
    left = {text for text in manners.phrases if text in english.phrases}
    assert not left, "phrases that no agent can say in its own language"
    # And nothing else that is said has been forgotten.
    texts = {item.name for item in fields(Manners) if item.type in (str, tuple[str, ...])}
    said = {*PHRASES, *PHRASE_LISTS, "recording_notice", "disclosure", "welcome", "busy"}
    assert texts == {*said, "barge_in", "backchannels", "language"}


def test_the_agent_in_the_documentation_is_valid(path: Path) -> None:
    page = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")
    example = page[page.index("    instructions:") :].partition("\n\n")[0]
    agent = good(path, textwrap.dedent(example))
    assert agent.lines.keys() == {*KEYS} - {"instructions_file"}
    assert all(f"`{name}`" in page for name in (*PHRASES, *PHRASE_LISTS))
    settings = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert all(f"`{name.upper()}` *" in settings for name in TUNABLE)


def test_absent_keys_set_nothing(path: Path) -> None:
    agent = good(path, "voice: theo")
    assert agent.settings == agent.phrases == {}
    assert (agent.instructions, agent.tools, agent.numbers) == (None, None, ())
    assert good(path, "numbers: 600, 610").numbers == ("600", "610")


def test_empty_values_are_kept_where_emptiness_has_a_meaning(path: Path) -> None:
    agent = good(path, "welcome:\ntools: []\nvocabulary: []\nmanners: {barge_in_backchannels: []}")
    assert agent.tools == frozenset()
    assert agent.settings == {
        "speechmatics_welcome_message": "",
        "speechmatics_additional_vocab": (),
        "barge_in_backchannels": (),
    }


def test_instructions_can_be_in_a_file_beside_the_agent(path: Path) -> None:
    (path.parent / "texts").mkdir()
    (path.parent / "texts" / "host.txt").write_text("You are the host.\n")
    agent = good(path, "instructions_file: texts/host.txt")
    assert agent.instructions_file is not None
    assert agent.instructions_file.text() == "You are the host."


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", ": no agent; write its keys, of instructions, instructions_file, welcome, voice"),
        ("- voice: theo", ": no agent; write its keys"),
        ("voice: [", ", line 1: expected the node content, but found '<stream end>'; write the"),
        ("voice: theo\nvoice: jack", ", line 1: 'voice' stands twice in one mapping, again in lin"),
        (b"voice: \xff", ": not text in UTF-8; save the file as UTF-8."),
        ("\nvoise: theo", ", line 2: voise: not known; did you mean voice?"),
        ("Tools: []", ", line 1: Tools: not known; did you mean tools?"),
        ("colour: red", ", line 1: colour: not known; there are instructions, instructions_file"),
        ("manners:\n  no_input: 1", ", line 2: manners.no_input: not known; did you mean no_inp"),
        ("instructions:", ", line 1: instructions: '' cannot be used: give a text of 1 to 100000"),
        ("instructions: [a]", ", line 1: instructions: a list cannot be used: give a text of 1"),
        ("instructions_file: no.txt", ", line 1: instructions_file: 'no.txt' cannot be used: cann"),
        ("instructions_file: .", ", line 1: instructions_file: '.' cannot be used: cannot be read"),
        ("welcome: [a, b]", ", line 1: welcome: a list cannot be used: give one text"),
        (f"welcome: {'x' * (PHRASE_MAX + 1)}", f", line 1: welcome: '{'x' * 40}…' cannot be used:"),
        ("voice: my voice", ", line 1: voice: 'my voice' cannot be used: give a voice's name, su"),
        ("voice: {name: alloy}", ", line 1: voice: a mapping cannot be used: give the name of one"),
        ("language: 12", ", line 1: language: '12' cannot be used: give a language code such as"),
        ("language:", ", line 1: language: '' cannot be used: give one text"),
        ("vocabulary: a, b", ", line 1: vocabulary: 'a, b' cannot be used: give a list of words"),
        (
            "vocabulary: [[a]]",
            ", line 1: vocabulary: a list cannot be used: item 1, a list:",
        ),
        (
            "vocabulary: [a, {sounds_like: b}]",
            ", line 1: vocabulary: a list cannot be used: item 2, a mapping:",
        ),
        ("vocabulary: [{content: a, sound_like: b}]", ", line 1: vocabulary: a list cannot be us"),
        ("model: a b", ", line 1: model: 'a b' cannot be used: give a plain name"),
        ("tools:", ", line 1: tools: '' cannot be used: give a list of names, [] for none"),
        (
            "tools: [a, b c]",
            ", line 1: tools: a list cannot be used: item 2, 'b c': give a",
        ),
        ("numbers: []", ", line 1: numbers: a list cannot be used: give at least one"),
        (
            "numbers: [600, '']",
            ", line 1: numbers: a list cannot be used: item 2, '': give",
        ),
        ("manners: polite", ", line 1: manners: 'polite' cannot be used: write under it one or m"),
        (
            "manners:\n\n  no_input_s: soon",
            ", line 3: manners.no_input_s: 'soon' cannot be used: g",
        ),
        ("manners: {no_input_s: []}", ", line 1: manners.no_input_s: a list cannot be used: give"),
        ("manners: {no_input_max: 1.5}", ", line 1: manners.no_input_max: '1.5' cannot be used: "),
        ("manners: {barge_in: maybe}", ", line 1: manners.barge_in: 'maybe' cannot be used: give "),
        ("manners: {sorry: }", ", line 1: manners.sorry: '' cannot be used: give one text"),
        ("manners: {fillers: []}", ", line 1: manners.fillers: a list cannot be used: give at le"),
        ("manners: {wait: 'Wait, {from}.'}", ", line 1: manners.wait: 'Wait, {from}.' cannot be u"),
        ("manners: {host: 1}", ", line 1: manners.host: not known; there are disclosure"),
    ],
)
def test_a_mistake_is_one_sentence_with_file_line_and_key(
    path: Path, text: str | bytes, mistake: str
) -> None:
    _, mistakes = read(path, text)
    (found,) = mistakes
    assert found.startswith(f"{path}{mistake}")
    assert "\n" not in found
    assert found[-1] in ".?"


def test_all_mistakes_of_a_file_are_found_at_once(path: Path) -> None:
    _, mistakes = read(path, "voice: a b\nmanners:\n  no_input_s: x\n  sorry:\nmodle: x\n")
    assert sorted(mistake.removeprefix(f"{path}, ").split(" ")[1] for mistake in mistakes) == [
        "1:",
        "3:",
        "4:",
        "5:",
    ]


def test_instructions_and_instructions_file_exclude_each_other(path: Path) -> None:
    (path.parent / "host.txt").write_text("You are the host.")
    _, mistakes = read(path, "instructions: Be kind.\ninstructions_file: host.txt")
    problem = "instructions are given too; remove one of the two keys."
    assert mistakes == [f"{path}, line 2: instructions_file: {problem}"]


def test_a_file_that_cannot_be_read_is_a_mistake(path: Path) -> None:
    mistakes: list[str] = []
    assert read_agent(path, mistakes) is None
    assert mistakes == [f"{path}: cannot be read ({os.strerror(2)})."]


VALUES = st.recursive(
    st.text("ab1 _{}:", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from((*KEYS, *TUNABLE, *PHRASES, *PHRASE_LISTS, "x"))


@given(st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES), max_size=5))
def test_any_file_is_an_agent_or_has_mistakes(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, object]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    agent, mistakes = read(path, yaml.safe_dump(content, allow_unicode=True))
    assert agent is None or isinstance(agent, WrittenAgent)
    for mistake in mistakes:
        assert mistake.startswith(str(path))
        assert "\n" not in mistake
