"""An error says whose fault it is, and whether the same may work later."""

import pickle

import pytest

from avr_sts_speechmatics.errors import CallerError, InvalidValue, ServiceError, SettingsError


def test_a_services_error_names_the_service_and_says_when_to_try_again() -> None:
    error = ServiceError("stt", "4005 quota exceeded", retryable=True, retry_after=1.5)
    assert str(error) == "stt: 4005 quota exceeded"
    assert (error.service, error.retryable, error.retry_after) == ("stt", True, 1.5)
    assert ServiceError("llm", "key refused", retryable=False).retry_after is None


def test_an_unusable_value_is_a_value_error_for_libraries_that_parse() -> None:
    assert issubclass(InvalidValue, ValueError)


@pytest.mark.parametrize("kind", [CallerError, SettingsError, InvalidValue])
def test_an_error_for_a_person_is_its_sentence_and_nothing_more(kind: type[Exception]) -> None:
    error = kind("PORT=x: not a port.")
    assert str(error) == "PORT=x: not a port."
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_no_error_is_taken_for_another() -> None:
    kinds = (CallerError, ServiceError, SettingsError, InvalidValue)
    for kind in kinds:
        assert not issubclass(kind, tuple(other for other in kinds if other is not kind))
