"""Notices: their texts by language, a welcome that discloses the machine, warnings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avr_sts_speechmatics.agents import notices
from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.language_packs import pack_for
from avr_sts_speechmatics.settings import Settings

LANGUAGES = ("en", "de", "it", "fr", "es", "pt", "nl")

DISCLOSING = {
    "en": (
        "Hello, this is the virtual assistant of Riverside.",
        "You have reached our automated reservation line!",
        "I'm Ada, an AI.",
        "Hello, I am a Virtual Assistant.",
    ),
    "de": ("Hier ist der automatische Empfang.", "Ich bin eine KI.", "Hier spricht ein Roboter."),
    "it": ("Sono un assistente virtuale.", "Risponde la segreteria automatica di Rossi."),
    "fr": ("Je suis une assistante virtuelle.", "Vous êtes à l'accueil automatique."),
    "es": ("Soy una asistente automática.", "Le atiende una inteligencia artificial."),
    "pt": ("Fala a assistente virtual.", "Sou um robô."),
    "nl": ("U spreekt met een virtuele assistent.", "Dit is een geautomatiseerde lijn."),
}
KEEPING = {
    "en": (
        "Hello, how can I help you?",
        "Air Canada, my aim is to help.",
        "This is the Mail Room.",
    ),
    "de": ("Guten Tag, hier ist das Autohaus Kia.", "Kitzbühel Tourismus, guten Tag."),
    "it": ("Ciao, sono Maria.",),
    "fr": ("Bonjour, ici la mairie.",),
    "es": ("Hola, soy María, su asistente.",),
    "pt": ("Olá, Maria ao telefone.",),
    "nl": ("Goedendag, u spreekt met Maria.",),
}


def load(**changes: Any) -> Agents:
    return Agents.load(Settings(**changes))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def writing(**files: str) -> Path:
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        return tmp_path

    return writing


@pytest.mark.parametrize("code", LANGUAGES)
def test_callers_are_told_of_the_machine_in_their_language_unless_that_is_off(code: str) -> None:
    pack = pack_for(code)
    assert pack is not None
    (agent,) = load(speechmatics_language=code).all
    assert (agent.manners.disclosure, agent.manners.recording_notice) == (pack.disclosure, "")
    (agent,) = load(speechmatics_language=code, disclosure="", recording_notice="on").all
    assert (agent.manners.disclosure, agent.manners.recording_notice) == ("", pack.recording_notice)


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_sentence_of_each_language_is_not_said_twice(code: str) -> None:
    pack = pack_for(code)
    assert pack is not None
    told = notices.opening(Manners(disclosure="x", welcome=pack.disclosure), code)
    assert (told.disclosure, told.welcome) == (pack.disclosure, "")
    assert notices.opening(Manners(disclosure="x", welcome=pack.welcome), code).disclosure == "x"


@pytest.mark.parametrize(
    ("code", "text"), [(code, text) for code, texts in DISCLOSING.items() for text in texts]
)
def test_a_welcome_that_discloses_is_the_disclosure_up_to_that_sentence(
    code: str, text: str
) -> None:
    manners = Manners(disclosure="I am a machine.", welcome=f"Hello. {text} And now?")
    told = notices.opening(manners, code)
    assert (told.disclosure, told.welcome) == (f"Hello. {text}", "And now?")
    alone = notices.opening(Manners(disclosure="I am a machine.", welcome=text), code)
    assert (alone.disclosure, alone.welcome) == (text, "")


@pytest.mark.parametrize(
    ("code", "text"), [(code, text) for code, texts in KEEPING.items() for text in texts]
)
def test_any_other_welcome_follows_the_disclosure(code: str, text: str) -> None:
    manners = Manners(disclosure="I am a machine.", welcome=text)
    assert notices.opening(manners, code) == manners


def test_without_disclosure_a_welcome_stays_whole() -> None:
    manners = Manners(welcome="I am a virtual assistant. Hello.")
    assert notices.opening(manners, "en") == manners
    foreign = Manners(disclosure="I am a machine.", welcome="AI. 您好。")
    assert notices.opening(foreign, "cmn") == foreign


def test_an_agent_file_has_its_own_notices(write: Callable[..., Path]) -> None:
    folder = write(
        default="manners: {disclosure: off}",
        loud="manners: {disclosure: on, recording_notice: We listen.}",
        german="language: de\nmanners: {recording_notice: on}",
    )
    agents = {agent.name: agent.manners for agent in load(agents_dir=folder, disclosure="").all}
    assert (agents["default"].disclosure, agents["default"].recording_notice) == ("", "")
    assert agents["loud"].disclosure == "I am an automated assistant."
    assert agents["loud"].recording_notice == "We listen."
    assert agents["german"].recording_notice == "Dieses Gespräch wird aufgezeichnet."


def test_all_that_opens_a_call_is_kept_as_speech() -> None:
    welcome = "Hello, this is a virtual assistant. How can I help?"
    (kept,) = load(speechmatics_welcome_message=welcome, recording_notice="on").phrases().values()
    assert kept[:3] == (
        "This call is recorded.",
        "Hello, this is a virtual assistant.",
        "How can I help?",
    )


def test_no_notice_is_said_where_nobody_answers() -> None:
    (agent,) = load(speechmatics_api_key="a-key", recording_notice="on").all
    assert agent.manners.notices == ()


def test_a_notice_in_another_language_is_reported(write: Callable[..., Path]) -> None:
    (english,) = load(speechmatics_language="cmn", disclosure="on").warnings
    assert "manners.disclosure" in english
    own = load(speechmatics_language="cmn", disclosure="我是自动助理。")
    assert "manners.disclosure" not in " ".join(own.warnings)
    folder = write(one="language: it", two="language: it\nmanners: {disclosure: Sono un robot.}")
    (warning,) = load(agents_dir=folder, disclosure="I am a robot.").warnings
    assert warning.startswith(f"{folder}/one.yaml: ")
    assert warning.endswith("write manners.disclosure.")


def test_recordings_without_a_choice_of_the_notice_are_reported(
    write: Callable[..., Path],
) -> None:
    (warning,) = load(history="recordings").warnings
    assert warning.startswith("HISTORY=recordings: callers of default are not told")
    assert load(history="recordings", recording_notice="").warnings == ()
    assert load(history="recordings", recording_notice="on").warnings == ()
    assert load(history="transcripts").warnings == ()
    folder = write(a="manners: {recording_notice: off}", b="voice: theo")
    (warning,) = load(history="recordings", agents_dir=folder).warnings
    assert "callers of default, b are not told" in warning
