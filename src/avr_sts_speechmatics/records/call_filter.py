"""Which calls are wanted, and how a database finds them by its indexes.

A filter becomes alternatives, each a list of conditions that all must hold. Each alternative is one
statement, so that each uses the index made for it: a database seldom uses two indexes for one `OR`.
Texts are compared whole or by their beginning, as a range. `LIKE` uses no index in SQLite, because
it ignores case, nor in PostgreSQL where the collation is not "C".
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Select,
    TextClause,
    and_,
    false,
    func,
    literal,
    not_,
    tuple_,
)

from avr_sts_speechmatics.records.numbers import significant
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
Alternatives: TypeAlias = Sequence[Sequence[Condition]]

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


@dataclass(frozen=True, slots=True)
class Alternative:
    """Conditions that must all hold.

    by_outcome: the conditions name columns of `outcomes`, whose index then has the order.
    """

    conditions: Sequence[Condition]
    by_outcome: bool = False

    def statement(self, before: tuple[int, str] | None, limit: int) -> Select[Any]:
        """Return the statement that reads the wanted calls, the newest first.

        before: began_ms and key of a call; only earlier calls are read.
        limit: most rows.
        """
        source, order = calls.select(), (calls.c.began_ms, calls.c.key)
        if self.by_outcome:
            source = source.join(outcomes, outcomes.c.call == calls.c.key)
            order = outcomes.c.began_ms, outcomes.c.call
        found = source.where(*self.conditions)
        if before is not None:
            found = found.where(tuple_(*order) < tuple_(*map(literal, before)))
        return found.order_by(*(column.desc() for column in order)).limit(limit)


def alternatives(wanted: CallFilter, now_ms: int) -> Iterator[Alternative]:
    """Yield alternatives: a call is wanted if all conditions of one of them hold.

    now_ms: the present (ms since 1970).
    """
    seen = now_ms - LOST_MS
    common = list(_common(wanted))
    outcome, words = wanted.outcome.strip(), sendable(wanted.text.strip())
    choices: list[Alternatives] = [
        _running(wanted.running, seen),
        _failed(wanted.failed, seen),
        _reason(sendable(wanted.reason), seen),
        _during(wanted.during_ms),
        [*_number(wanted.number, whole=wanted.whole_number)] if wanted.number.strip() else [[]],
        [_outcome(outcome)] if outcome else [[]],
        [*_text(words, seen)] if words else [[]],
    ]
    for chosen in product(*choices):
        yield Alternative([*common, *chain(*chosen)], by_outcome=bool(outcome))
    if words and not outcome:
        for chosen in product(*choices[:-1], [_outcome(words)]):
            yield Alternative([*common, *chain(*chosen)], by_outcome=True)


def sendable(value: str) -> str:
    """Return a text that every database takes in a question; what none holds is replaced."""
    return value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def lost(seen: int) -> ColumnElement[bool]:
    """Whether a call ended without a word: the process that had the call was killed."""
    return and_(RUNNING, calls.c.seen_ms < seen)


def _common(wanted: CallFilter) -> Iterator[Condition]:
    if wanted.since_ms is not None:
        yield calls.c.began_ms >= wanted.since_ms
    if wanted.until_ms is not None:
        yield calls.c.began_ms < wanted.until_ms
    if wanted.agent:
        yield calls.c.agent == sendable(wanted.agent)
    if wanted.transport:
        yield calls.c.transport == sendable(wanted.transport)
    if wanted.slow_ms is not None:
        yield calls.c.voice_to_voice_worst_ms >= wanted.slow_ms


def _running(running: bool | None, seen: int) -> Alternatives:
    if running is None:
        return [[]]
    if running:
        return [[RUNNING, calls.c.seen_ms >= seen]]
    return [[calls.c.ended_ms.is_not(None)], [lost(seen)]]


def _failed(failed: bool | None, seen: int) -> Alternatives:
    if failed is None:
        return [[]]
    if failed:
        return [[FAILED], [lost(seen)]]
    none = func.coalesce(calls.c.failures, 0) == 0
    whole: list[Condition] = [calls.c.error.is_(None), none, not_(lost(seen))]
    return [whole]


def _reason(reason: str, seen: int) -> Alternatives:
    if not reason:
        return [[]]
    return [[lost(seen)]] if reason == LOST else [[calls.c.reason == reason]]


def _during(during: tuple[int, int] | None) -> Alternatives:
    if during is None:
        return [[]]
    since, until = during
    began = [calls.c.began_ms <= until, calls.c.began_ms > since - LONGEST_MS]
    # Nobody knows how long a call without an end went on after it was last seen.
    still = [RUNNING, calls.c.seen_ms >= since - SEEN_MS]
    return [[*began, calls.c.ended_ms >= since], [*began, *still]]


def _number(number: str, *, whole: bool = False) -> Iterator[list[Condition]]:
    wanted = significant(number)
    if not wanted:
        yield [false()]
        return
    # Zeros may stand before a number; five of them are more than any dialplan has.
    written = [wanted + "0" * zeros for zeros in range(6)]
    for column in (calls.c.caller_digits, calls.c.called_digits):
        yield [column.in_(written)] if whole else [*_begins(column, wanted)]


def _outcome(outcome: str) -> Sequence[Condition]:
    name, equals, value = outcome.partition("=")
    if not equals:
        return [outcomes.c.value == searched(outcome)]
    return [outcomes.c.name == searched(name, NAME_MAX), outcomes.c.value == searched(value)]


def named(name: str) -> Iterator[list[Condition]]:
    """Yield conditions: a call's uuid or key begins with a name."""
    for form in {name, name.lower()}:
        yield [*_begins(calls.c.uuid, form)]
    if _HEX.fullmatch(name.lower()):
        yield [*_begins(calls.c.key, name.lower())]


def _text(wanted: str, seen: int) -> Iterator[list[Condition]]:
    yield from named(wanted)
    for form in {wanted, wanted.lower()}:
        yield [calls.c.agent == form]
        yield [*_reason(form, seen)[0]]
    if len(significant(wanted)) >= TEXT_DIGITS:
        yield from _number(wanted)


def _begins(column: ColumnElement[Any], beginning: str) -> Iterator[Condition]:
    yield column >= beginning
    yield column < beginning + _END
