"""The promises that every topic of the settings keeps, tested with the values of one topic."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, ClassVar

import pytest
from tests.settings.environment import KEYS, NEEDS, error_of, given_that

from avr_sts_speechmatics.settings import DECLARATIONS


class TopicTests:
    """Subclass this for one topic.

    topic: the dataclass that declares the settings.
    defaults: variable and default, in the order of the declarations.
    good: variable, text, value.
    wrong: variable, text, and what the error says after the text: what is allowed.
    private: the same for variables whose value no error shows; "very-secret" is in each text.
    free_text: variables for which every text is a value.
    """

    topic: ClassVar[Any]
    defaults: ClassVar[Sequence[tuple[str, Any]]]
    good: ClassVar[Sequence[tuple[str, str, Any]]]
    wrong: ClassVar[Sequence[tuple[str, str, str]]]
    private: ClassVar[Sequence[tuple[str, str, str]]] = ()
    free_text: ClassVar[Sequence[str]] = ()

    def compared(self, name: str, value: Any) -> object:
        """The value of a setting, in the form in which `good` has it."""
        return value

    @classmethod
    def pytest_generate_tests(cls, metafunc: pytest.Metafunc) -> None:
        for argument, cases in (
            ("default", cls.defaults),
            ("good_value", cls.good),
            ("wrong_value", cls.wrong),
            ("private_value", cls.private),
        ):
            if argument in metafunc.fixturenames:
                names = [f"{case[0]}-{number}" for number, case in enumerate(cases)]
                metafunc.parametrize(argument, cases, ids=names)

    def test_no_setting_is_forgotten_here(self) -> None:
        names = [item.name.upper() for item in fields(self.topic)]
        assert names == [name for name, _ in self.defaults]
        assert set(names) == {name for name, _, _ in self.good}
        rejecting = {name for name, _, _ in (*self.wrong, *self.private)}
        assert set(names) - set(self.free_text) - set(KEYS) == rejecting

    def test_a_setting_that_is_not_set_has_its_default(self, default: tuple[str, Any]) -> None:
        name, value = default
        assert getattr(given_that(), name.lower()) == value

    def test_a_good_value_is_taken(self, good_value: tuple[str, str, Any]) -> None:
        name, text, meaning = good_value
        value = getattr(given_that(**{name: text}, **NEEDS.get(name, {})), name.lower())
        assert self.compared(name, value) == meaning

    def test_a_wrong_value_is_one_sentence_with_name_value_and_what_is_allowed(
        self, wrong_value: tuple[str, str, str]
    ) -> None:
        name, text, allowed = wrong_value
        error = error_of({name: text})
        assert error.startswith(f"{name}={text[:50]}")
        assert allowed in error
        assert error.endswith(".")
        assert len(error) < 400

    def test_every_setting_is_described_with_its_unit(self) -> None:
        for item in fields(self.topic):
            about = DECLARATIONS[item.name].about
            assert about.endswith(".")
            unit = item.name.rpartition("_")[2]
            assert unit not in ("s", "ms") or f"({unit})" in about, item.name


class PrivateTopicTests(TopicTests):
    """Subclass this for a topic that has settings in `private`."""

    def test_a_wrong_value_that_may_contain_a_key_is_not_shown(
        self, private_value: tuple[str, str, str]
    ) -> None:
        name, text, allowed = private_value
        error = error_of({name: text})
        assert error.startswith(f"{name}=(not shown): ")
        assert allowed in error
        assert "secret" not in error
