"""The receptionist's FAQ file, validated completely before the first call.

The operator writes the file, so each error names the file, the place in the file, the value found
there and what would be valid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class FaqError(ValueError):
    """The FAQ file is invalid or cannot be read; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Opening and closing time of a day, in words as they are spoken."""

    opens: str
    closes: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer, with the ways to recognise its question.

    answer: the words that are spoken.
    keywords: words or phrases that point to this entry.
    questions: the question in several wordings.
    topic: name of the topic in an offer of help; empty if the offer must not mention the topic.
    """

    answer: str
    keywords: tuple[str, ...]
    questions: tuple[str, ...]
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Transfer:
    """A department to which a caller can be transferred.

    department: name with its article, as spoken after "to".
    extension: number in the dialplan.
    keywords: words or phrases that name the department; the first may stand alone in a sentence.
    """

    department: str
    extension: str
    keywords: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Faq:
    """Content of the FAQ file.

    company: name, as spoken.
    hours_summary: the answer for callers who do not name a day.
    hours: opening hours of each of DAYS; None for a day on which the company is closed.
    transfers: departments, at least one; the first is the default.
    entries: questions with their answers, at least one.
    """

    company: str
    hours_summary: str
    hours: Mapping[str, Opening | None]
    transfers: tuple[Transfer, ...]
    entries: tuple[Entry, ...]


def load_faq(path: Path | None) -> Faq:
    """Load the FAQ from a file. Raises FaqError.

    path: the file; None for the packaged FAQ.
    """
    if path is None:
        packaged = resources.files(__package__).joinpath("faq.yaml")
        return _parse("faq.yaml", packaged.read_text(encoding="utf-8"))
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FaqError(f"{path}: cannot be read: {error}") from error
    return _parse(str(path), text)


def _parse(name: str, text: str) -> Faq:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise FaqError(f"{name}: not YAML: {error}") from error
    try:
        faq = _table(content, "the file", ("company", "hours", "transfers", "entries"))
        return Faq(
            company=_text(faq.get("company"), "company"),
            hours_summary=_text(_hours_table(faq).get("summary"), "hours.summary"),
            hours=_hours(_hours_table(faq)),
            transfers=tuple(
                _transfer(item, f"transfers[{number}]")
                for number, item in enumerate(_list(faq.get("transfers"), "transfers"))
            ),
            entries=tuple(
                _entry(item, f"entries[{number}]")
                for number, item in enumerate(_list(faq.get("entries"), "entries"))
            ),
        )
    except FaqError as error:
        raise FaqError(f"{name}: {error}") from None


def _hours_table(faq: Mapping[str, Any]) -> Mapping[str, Any]:
    return _table(faq.get("hours"), "hours", ("summary", *DAYS))


def _hours(table: Mapping[str, Any]) -> dict[str, Opening | None]:
    hours: dict[str, Opening | None] = {}
    for day in DAYS:
        where = f"hours.{day}"
        if table.get(day) == "closed":
            hours[day] = None
            continue
        if not isinstance(table.get(day), dict):
            raise FaqError(f'{where}: give "closed", or {{opens: …, closes: …}}')
        opening = _table(table[day], where, ("opens", "closes"))
        hours[day] = Opening(
            _text(opening.get("opens"), f"{where}.opens"),
            _text(opening.get("closes"), f"{where}.closes"),
        )
    return hours


def _transfer(value: object, where: str) -> Transfer:
    table = _table(value, where, ("department", "extension", "keywords"))
    extension = table.get("extension")
    if not isinstance(extension, str) or not extension.strip():
        # YAML 1.1 reads 0100 as octal 64: only a quoted extension keeps its digits.
        raise FaqError(f'{where}.extension: {extension!r}; write it in quotes, as "1000"')
    return Transfer(
        department=_text(table.get("department"), f"{where}.department"),
        extension=extension.strip(),
        keywords=_texts(table.get("keywords"), f"{where}.keywords"),
    )


def _entry(value: object, where: str) -> Entry:
    table = _table(value, where, ("topic", "keywords", "questions", "answer"))
    return Entry(
        answer=_text(table.get("answer"), f"{where}.answer"),
        keywords=_texts(table.get("keywords"), f"{where}.keywords"),
        questions=_texts(table.get("questions"), f"{where}.questions"),
        topic=_text(table["topic"], f"{where}.topic") if "topic" in table else "",
    )


def _table(value: object, where: str, allowed: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise FaqError(f"{where}: must be a table with {', '.join(allowed)}")
    for key in value:
        if key not in allowed:
            raise FaqError(f"{where}: {key!r} is not known; there are {', '.join(allowed)}")
    return value


def _list(value: object, where: str) -> Sequence[object]:
    if not isinstance(value, list) or not value:
        raise FaqError(f"{where}: must be a list with at least one item")
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    items = _list(value, where)
    return tuple(_text(item, f"{where}[{number}]") for number, item in enumerate(items))


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise FaqError(f"{where}: {value!r} is not a text; write it in quotes if it is a number")
    return " ".join(value.split())
