"""The FAQ file: its content and its errors."""

from pathlib import Path

import pytest

from avr_sts_speechmatics.receptionist import FaqError, load_faq

GOOD = """
company: Test
hours:
  summary: We are open.
  monday: {opens: nine, closes: five}
  tuesday: closed
  wednesday: closed
  thursday: closed
  friday: closed
  saturday: closed
  sunday: closed
transfers:
  - {department: an operator, extension: "1000", keywords: [operator]}
entries:
  - {answer: Yes., keywords: [well], questions: ["Really?"]}
"""


def load(tmp_path: Path, text: str) -> str:
    """The error for a file with this text, without the name of the file."""
    path = tmp_path / "faq.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FaqError) as caught:
        load_faq(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_the_packaged_faq_is_valid() -> None:
    faq = load_faq(None)
    assert faq.entries
    assert faq.hours["sunday"] is None


def test_an_operators_faq_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "faq.yaml"
    path.write_text(GOOD, encoding="utf-8")
    faq = load_faq(path)
    assert faq.company == "Test"
    assert faq.transfers[0].extension == "1000"
    assert faq.hours["monday"] is not None
    assert faq.hours["monday"].closes == "five"


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("company: Test", "", "company: None is not a text"),
        ("company: Test", "firm: Test", "'firm' is not known; there are company, hours"),
        ('"1000"', "1000", "transfers[0].extension: 1000; write it in quotes"),
        ("tuesday: closed", "tuesday: never", 'hours.tuesday: give "closed"'),
        ("closes: five", "closing: five", "hours.monday: 'closing' is not known"),
        ("[well]", "well", "entries[0].keywords: must be a list"),
        ("[well]", "[5]", "entries[0].keywords[0]: 5 is not a text"),
        ("answer: Yes.", "reply: Yes.", "entries[0]: 'reply' is not known; there are topic"),
        ("company: Test", "company: [", "not YAML"),
    ],
)
def test_an_error_names_its_place_in_the_file(
    tmp_path: Path, old: str, new: str, error: str
) -> None:
    assert error in load(tmp_path, GOOD.replace(old, new))


def test_a_missing_faq_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FaqError, match="cannot be read"):
        load_faq(tmp_path / "none.yaml")
