"""How settings are declared: what a declaration says, and what it derives from Manners."""

from dataclasses import dataclass, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.dialogue.manners import PHRASE_LISTS, PHRASES, Manners
from avr_sts_speechmatics.settings import DECLARATIONS, DEFAULTS, checks
from avr_sts_speechmatics.settings.declaration import (
    MILLISECONDS,
    NEGATED,
    ON_OFF,
    Conversion,
    Manner,
    declarations,
    manner,
    setting,
)

UNDECIDED = {"patience_s", "language", "ignores_echo", *PHRASES, *PHRASE_LISTS}
"""Fields of Manners for which there is no setting."""


@dataclass(frozen=True, kw_only=True)
class Topic:
    size: int = setting(checks.whole(1, 9), "Size.", 3, also=("EXTENT",), common=True)
    key: str | None = setting(checks.secret, "Key.")
    pause_ms: float = manner("confirm_s", checks.number(0, 9000), "Pause (ms).", MILLISECONDS)
    greeting: str = manner("welcome", checks.text, "Greeting.", default="Hi.", may_be_empty=True)


def test_a_topic_is_a_dataclass_with_the_declared_defaults() -> None:
    assert Topic(size=4) == Topic(size=4, key=None, pause_ms=700.0, greeting="Hi.")


def test_a_declaration_holds_what_was_declared_in_the_order_of_the_fields() -> None:
    declared = declarations(Topic)
    assert list(declared) == ["size", "key", "pause_ms", "greeting"]
    size = declared["size"]
    assert (size.parse("7"), size.about, size.default, size.also) == (7, "Size.", 3, ("EXTENT",))
    assert (size.common, size.private, size.may_be_empty, size.manner) == (True, False, False, None)
    assert declared["greeting"].may_be_empty


def test_a_secret_is_private_without_saying_so() -> None:
    assert declarations(Topic)["key"].private


def test_a_manner_takes_the_default_of_its_field_unless_it_has_its_own() -> None:
    assert declarations(Topic)["pause_ms"].default == Manners().confirm_s * 1000
    assert declarations(Topic)["pause_ms"].manner == Manner("confirm_s", MILLISECONDS)
    assert declarations(Topic)["greeting"].default == "Hi."


def test_a_manner_for_which_there_is_no_field_is_an_error_at_the_declaration() -> None:
    with pytest.raises(AttributeError, match="confirm_ms"):
        manner("confirm_ms", checks.text, "A misspelt name.")


def test_every_field_of_manners_is_decided_by_one_setting_or_is_a_phrase() -> None:
    decided = [one.manner.field for one in DECLARATIONS.values() if one.manner is not None]
    assert len(set(decided)) == len(decided)
    assert set(decided) == {item.name for item in fields(Manners)} - UNDECIDED


def test_every_default_passes_its_own_check() -> None:
    for name, declaration in DECLARATIONS.items():
        if isinstance(declaration.default, (int, float, str)):
            text = str(declaration.default)
            assert declaration.parse(text) == getattr(DEFAULTS, name), name


@pytest.mark.parametrize(
    ("conversion", "of_the_setting", "of_the_field"),
    [
        (MILLISECONDS, 250.0, 0.25),
        (NEGATED, True, False),
        (NEGATED, False, True),
        (ON_OFF, "on", True),
        (ON_OFF, "off", False),
    ],
)
def test_a_conversion_works_in_both_directions(
    conversion: Conversion, of_the_setting: object, of_the_field: object
) -> None:
    assert conversion.to_manner(of_the_setting) == of_the_field
    assert conversion.to_setting(of_the_field) == of_the_setting


@given(st.integers(0, 86_400_000))
def test_milliseconds_survive_the_way_to_the_manners_and_back(ms: int) -> None:
    assert MILLISECONDS.to_setting(MILLISECONDS.to_manner(ms)) == pytest.approx(ms, abs=1e-6)
