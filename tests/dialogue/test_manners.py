"""Manners: which phrases there are, and which of them an agent may have to say."""

from dataclasses import fields, replace

from avr_sts_speechmatics.dialogue.manners import (
    BACKCHANNELS,
    PHRASE_LISTS,
    PHRASES,
    Manners,
    Notice,
)
from avr_sts_speechmatics.settings import checks


def test_every_text_of_the_agent_is_a_phrase() -> None:
    texts = {item.name for item in fields(Manners) if item.type in (str, tuple[str, ...])}
    assert texts == {
        *(*PHRASES, *PHRASE_LISTS),
        *("recording_notice", "disclosure"),
        *("welcome", "busy", "barge_in", "backchannels", "language"),
    }


def test_a_phrase_is_one_text_and_a_list_holds_several() -> None:
    manners = Manners()
    assert all(isinstance(getattr(manners, name), str) for name in PHRASES)
    assert all(isinstance(getattr(manners, name), tuple) for name in PHRASE_LISTS)


def test_everything_the_agent_says_is_among_the_phrases_what_opens_the_call_first() -> None:
    said = {name: f"said for {name}" for name in PHRASES}
    in_turn = {name: (f"one for {name}", f"two for {name}") for name in PHRASE_LISTS}
    notices = {"recording_notice": "Recorded.", "disclosure": "A machine."}
    manners = Manners(**notices, welcome="Hi.", busy="Busy.", max_call_s=60.0)  # type: ignore[arg-type]
    texts = replace(manners, **said, **in_turn).phrases  # type: ignore[arg-type]
    assert texts[:4] == ("Recorded.", "A machine.", "Hi.", "Busy.")
    others = texts[4:]
    assert sorted(others) == sorted([*said.values(), *sum(in_turn.values(), ())])


def test_notices_without_a_text_are_none() -> None:
    assert Manners().notices == ()
    assert Manners(disclosure="A machine.").notices == (Notice("disclosure", "A machine."),)


def test_a_warning_is_said_only_if_calls_have_a_limit() -> None:
    unlimited, limited = Manners(), Manners(max_call_s=60.0)
    assert unlimited.warning not in unlimited.phrases
    assert set(limited.said()) - set(unlimited.said()) == {"warning"}
    assert set(limited.phrases) - set(unlimited.phrases) == {limited.warning}


def test_backchannels_have_the_form_in_which_they_are_compared() -> None:
    assert checks.phrases(",".join(BACKCHANNELS)) == BACKCHANNELS
