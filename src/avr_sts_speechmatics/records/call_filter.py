"""Which calls are wanted, and how a database finds them by its indexes.

A filter becomes alternatives, each a list of conditions that all must hold. Each alternative is one
statement, so that each uses the index made for it: a database seldom uses two indexes for one `OR`.
Where a filter has several conditions, SQLite would guess which of them finds few calls; here the
database is asked for that first, and the other conditions are written so that no index fits.
Texts are compared whole or by their beginning, as a range. `LIKE` uses no index in SQLite, because
it ignores case, nor in PostgreSQL where the collation is not "C".
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    TextClause,
    and_,
    false,
    func,
    literal,
    not_,
    select,
    tuple_,
)

from avr_sts_speechmatics.records.numbers import is_same, significant
from avr_sts_speechmatics.records.outcomes import NAME_MAX, searched
from avr_sts_speechmatics.records.tables import FAILED, RUNNING, calls, outcomes

LOST_MS = 60_000
"""A call without an end that was not seen for so long (ms) is lost: its process was killed."""

SEEN_MS = 10_000
"""How long a running call may not have been written down as seen (ms)."""

LOST = "lost"
"""The reason that is shown for such a call. The database holds none."""

LONGEST_MS = 48 * 3_600_000
"""Calls that began longer before a moment are not searched for calls of that moment (ms)."""

TEXT_DIGITS = 3
"""Fewest letters or digits of a searched text that are compared with the ends of numbers."""

Condition: TypeAlias = ColumnElement[bool] | TextClause

FEW = 2000
"""Calls that are read and sorted without a noticeable delay."""

_END = chr(0x10FFFF)
"""The last character there is: ends the range of texts with the same beginning."""

_HEX = re.compile(r"[0-9a-f]{6,32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """Which calls are wanted. A value that is empty or None wants any call.

    text: what an operator types into a search box: the beginning of a uuid or key, a number or its
        last digits, an agent, a reason, a value of the outcome.
    since_ms, until_ms: the call began at or after, and before (ms since 1970).
    during_ms: the call was running at some moment from one time to another (ms since 1970).
    number: of caller or called: whole, or its last digits.
    whole_number: `number` is the whole number, however it is written.
    agent, transport: names.
    reason: why the call ended; "lost" if its process was killed.
    outcome: "name=value", or a value of any field; upper and lower case are equal.
    failed: whether something failed in the call, or the call was lost.
    running: whether the call is going on.
    slow_ms: the worst wait for an answer was so long or longer (ms).
    """

    text: str = ""
    since_ms: int | None = None
    until_ms: int | None = None
    during_ms: tuple[int, int] | None = None
    number: str = ""
    whole_number: bool = False
    agent: str = ""
    transport: str = ""
    reason: str = ""
    outcome: str = ""
    failed: bool | None = None
    running: bool | None = None
    slow_ms: int | None = None

    def matches_beginning(self, row: Mapping[str, Any]) -> bool:
        """Return whether a call is wanted of which only the row of its beginning is known.

        `number` is the whole number here. A filter that asks how the call went on matches none.
        """
        later = self.outcome, self.reason, self.during_ms, self.failed, self.running, self.slow_ms
        if any(value not in ("", None) for value in later):
            return False
        number, text = significant(self.number), self.text.strip().lower()
        kept = [row.get(name) or "" for name in ("caller_digits", "called_digits")]
        names = [str(row.get(name)).lower() for name in ("uuid", "key", "agent")]
        return (
            (self.since_ms is None or row["began_ms"] >= self.since_ms)
            and (self.until_ms is None or row["began_ms"] < self.until_ms)
            and (not self.agent or row["agent"] == self.agent)
            and (not self.transport or row["transport"] == self.transport)
            and (not self.number or (bool(number) and any(is_same(one, number) for one in kept)))
            and (not text or text in names)
        )


class Choice(NamedTuple):
    """Conditions that must all hold.

    strong: few calls fulfil them in any database, and they have an index.
    """

    conditions: Sequence[Condition]
    strong: bool = False


Choices: TypeAlias = Sequence[Choice]

_ANY: Choices = (Choice(()),)


@dataclass(frozen=True, slots=True)
class Alternative:
    """Conditions that must all hold.

    by_outcome: the conditions name columns of `outcomes`, whose index then has the order.
    few: so few calls fulfil a condition that has an index that they are read and sorted.
    """

    conditions: Sequence[Condition]
    by_outcome: bool = False
    few: bool = False

    def keys(self) -> Select[Any]:
        """Return the statement that reads the keys of all wanted calls."""
        source = select(calls.c.key)
        if self.by_outcome:
            source = source.distinct().join(outcomes, outcomes.c.call == calls.c.key)
        return source.where(*self.conditions)

    def statement(self, before: tuple[int, str] | None, limit: int) -> Select[Any]:
        """Return the statement that reads the wanted calls, the newest first.

        before: began_ms and key of a call; only earlier calls are read.
        limit: most rows.
        """
        source = calls.select()
        order: tuple[ColumnElement[Any], ...] = calls.c.began_ms, calls.c.key
        if self.by_outcome:
            source = source.join(outcomes, outcomes.c.call == calls.c.key)
            order = outcomes.c.began_ms, outcomes.c.call
        if self.few:
            order = tuple(map(_unindexed, order))
        found = source.where(*self.conditions)
        if before is not None:
            found = found.where(tuple_(*order) < tuple_(*map(literal, before)))
        return found.order_by(*(column.desc() for column in order)).limit(limit)


def leaders(wanted: CallFilter) -> dict[str, Select[Any]]:
    """Return statements that count the calls of conditions which any number may fulfil, by name.

    Each counts inside of an index, to one more than FEW at most. How many calls a condition finds
    is not known to SQLite, and a wrong guess reads a million calls. Empty where there is nothing to
    decide: the list is read in the order of the only condition's index.
    """
    found: dict[str, Select[Any]] = {}
    if wanted.agent:
        found["agent"] = _counted(calls, [calls.c.agent == sendable(wanted.agent)])
    if wanted.transport:
        found["transport"] = _counted(calls, [calls.c.transport == sendable(wanted.transport)])
    if wanted.reason and wanted.reason != LOST:
        found["reason"] = _counted(calls, [calls.c.reason == sendable(wanted.reason)])
    if wanted.failed:
        found["failed"] = _counted(calls, [FAILED])
    if wanted.slow_ms is not None:
        found["slow"] = _counted(calls, [calls.c.voice_to_voice_worst_ms >= wanted.slow_ms])
    if outcome := wanted.outcome.strip():
        found["outcome"] = _counted(outcomes, _outcome(outcome).conditions)
    return found if len(found) > 1 or "slow" in found else {}


def _counted(table: Table, conditions: Sequence[Condition]) -> Select[Any]:
    some = select(literal(1)).select_from(table).where(*conditions).limit(FEW + 1)
    return select(func.count()).select_from(some.subquery())


def alternatives(wanted: CallFilter, now_ms: int, few: str = "") -> Iterator[Alternative]:
    """Yield alternatives: a call is wanted if all conditions of one of them hold.

    now_ms: the present (ms since 1970).
    few: name of one of the `leaders` that few calls fulfil; empty for none.
    """
    seen = now_ms - LOST_MS
    outcome, words = wanted.outcome.strip(), sendable(wanted.text.strip())
    number = wanted.number.strip()
    choices: list[Choices] = [
        _running(wanted.running, seen),
        _failed(wanted.failed, seen),
        _during(wanted.during_ms),
        [*_number(number, whole=wanted.whole_number)] if number else _ANY,
        [_outcome(outcome)] if outcome else _ANY,
        [*_text(words, seen)] if words else _ANY,
    ]
    sets = [(chosen, bool(outcome)) for chosen in product(*choices)]
    if words and not outcome:
        sets += [(chosen, True) for chosen in product(*choices[:-1], [_outcome(words)])]
    for chosen, by_outcome in sets:
        strong = any(choice.strong for choice in chosen)
        lead = "" if not (few or strong) else few or "another"
        conditions = [*_common(wanted, seen, lead), *chain(*(one.conditions for one in chosen))]
        yield Alternative(conditions, by_outcome, few=bool(few))


def sendable(value: str) -> str:
    """Return a text that every database takes in a question; what none holds is replaced."""
    return value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def lost(seen: int) -> ColumnElement[bool]:
    """Whether a call ended without a word: the process that had the call was killed."""
    return and_(RUNNING, calls.c.seen_ms < seen)


def _common(wanted: CallFilter, seen: int, lead: str) -> Iterator[Condition]:
    """Yield the conditions of all alternatives.

    lead: name of the condition whose index is to be used; the indexes of the others are not then.
        Empty if the database decides.
    """

    def column(name: str, of: ColumnElement[Any]) -> ColumnElement[Any]:
        return of if lead in ("", name) else _unindexed(of)

    if wanted.since_ms is not None:
        yield calls.c.began_ms >= wanted.since_ms
    if wanted.until_ms is not None:
        yield calls.c.began_ms < wanted.until_ms
    if wanted.agent:
        yield column("agent", calls.c.agent) == sendable(wanted.agent)
    if wanted.transport:
        yield column("transport", calls.c.transport) == sendable(wanted.transport)
    if wanted.reason == LOST:
        yield lost(seen)
    elif wanted.reason:
        yield column("reason", calls.c.reason) == sendable(wanted.reason)
    if wanted.slow_ms is not None:
        yield column("slow", calls.c.voice_to_voice_worst_ms) >= wanted.slow_ms


def _unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the value of a column in a form that no index has."""
    return func.coalesce(column, column)


def _running(running: bool | None, seen: int) -> Choices:
    if running is None:
        return _ANY
    if running:
        return [Choice([RUNNING, calls.c.seen_ms >= seen], strong=True)]
    return [Choice([calls.c.ended_ms.is_not(None)]), Choice([lost(seen)], strong=True)]


def _failed(failed: bool | None, seen: int) -> Choices:
    if failed is None:
        return _ANY
    if failed:
        return [Choice([FAILED]), Choice([lost(seen)], strong=True)]
    none = func.coalesce(calls.c.failures, 0) == 0
    whole: list[Condition] = [calls.c.error.is_(None), none, not_(lost(seen))]
    return [Choice(whole)]


def _during(during: tuple[int, int] | None) -> Choices:
    if during is None:
        return _ANY
    since, until = during
    began: list[Condition] = [calls.c.began_ms <= until, calls.c.began_ms > since - LONGEST_MS]
    # Nobody knows how long a call without an end went on after it was last seen.
    still: list[Condition] = [RUNNING, calls.c.seen_ms >= since - SEEN_MS]
    return [Choice([*began, calls.c.ended_ms >= since]), Choice([*began, *still], strong=True)]


def _number(number: str, *, whole: bool = False) -> Iterator[Choice]:
    wanted = significant(number)
    if not wanted:
        yield Choice([false()])
        return
    # Zeros may stand before a number; five of them are more than any dialplan has.
    written = [wanted + "0" * zeros for zeros in range(6)]
    for column in (calls.c.caller_digits, calls.c.called_digits):
        conditions = [column.in_(written)] if whole else [*_begins(column, wanted)]
        yield Choice(conditions, strong=True)


def _outcome(outcome: str) -> Choice:
    name, equals, value = outcome.partition("=")
    if not equals:
        return Choice([outcomes.c.value == searched(outcome)])
    field = outcomes.c.name == searched(name, NAME_MAX)
    return Choice([field, outcomes.c.value == searched(value)])


def named(name: str) -> Iterator[Choice]:
    """Yield conditions: a call's uuid or key begins with a name."""
    for form in {name, name.lower()}:
        yield Choice([*_begins(calls.c.uuid, form)], strong=True)
    if _HEX.fullmatch(name.lower()):
        yield Choice([*_begins(calls.c.key, name.lower())], strong=True)


def _text(wanted: str, seen: int) -> Iterator[Choice]:
    yield from named(wanted)
    for form in {wanted, wanted.lower()}:
        yield Choice([calls.c.agent == form])
        yield Choice([calls.c.reason == form])
        if form == LOST:
            yield Choice([lost(seen)], strong=True)
    if len(significant(wanted)) >= TEXT_DIGITS:
        yield from _number(wanted)


def _begins(column: ColumnElement[Any], beginning: str) -> Iterator[Condition]:
    yield column >= beginning
    yield column < beginning + _END
