"""The tables of the records, the same for SQLite and PostgreSQL.

`calls` has a row for each call. `turns`, `tools` and `events` have rows that belong to a call, in
the order of their numbers. Columns that end in `_ms` hold ms: `began_ms`, `seen_ms` and `ended_ms`
since 1970 (UTC), `at_ms` and `until_ms` since the call began. Which columns have a value depends on
HISTORY: words, arguments, keys and facts are kept from `transcripts` on.
"""

from collections.abc import Callable

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.engine.default import DefaultExecutionContext

from avr_sts_speechmatics.records.numbers import backwards

metadata = MetaData()

_JSON = JSON(none_as_null=True)

_SEARCHED = Text().with_variant(Text(collation="C"), "postgresql")
"""A text whose beginning is searched for. PostgreSQL uses an index for that only if texts are
compared byte by byte."""


def _backwards(column: str) -> Callable[[DefaultExecutionContext], str | None]:
    """Return the default of a column: the number of another column in reverse order."""

    def default(context: DefaultExecutionContext) -> str | None:
        return backwards(context.get_current_parameters().get(column))  # type: ignore[no-untyped-call]

    return default


_REVERSED = "letters and digits in reverse order, for the search by last digits"

calls = Table(
    "calls",
    metadata,
    Column("key", String(32), primary_key=True, comment="unique, in the order of time"),
    Column("uuid", _SEARCHED, nullable=False, comment="as AVR or Asterisk names the call"),
    Column("transport", Text, nullable=False),
    Column("agent", _SEARCHED, nullable=False),
    Column("caller_number", Text, comment="who calls, as the exchange says"),
    Column("called_number", Text),
    Column("caller_backwards", _SEARCHED, default=_backwards("caller_number"), comment=_REVERSED),
    Column("called_backwards", _SEARCHED, default=_backwards("called_number"), comment=_REVERSED),
    Column("facts", _JSON, comment="everything else that came with the call"),
    Column("began_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, comment="the service last knew that the call was running"),
    Column("ended_ms", BigInteger, comment="no value: running, or the service was killed"),
    Column("reason", Text, comment="why the call ended: EndReason in dialogue/events.py"),
    Column("ended_by", Text, comment="caller, agent or service"),
    Column("transferred_to", Text),
    Column("error", Text),
    Column("duration_s", Float),
    Column("turns", Integer, comment="turns of the caller that had words or keys"),
    Column("interruptions", Integer),
    Column("failures", Integer, comment="failures of STT, LLM, TTS, tools and the exchange"),
    Column("voice_to_voice_median_ms", Integer),
    Column("voice_to_voice_worst_ms", Integer),
    Column("stt_s", Float, comment="audio that the recogniser charges for"),
    Column("prompt_tokens", Integer),
    Column("cached_tokens", Integer, comment="part of prompt_tokens"),
    Column("completion_tokens", Integer),
    Column("estimated_tokens", Integer, comment="of these, not counted by the server"),
    Column("tts_characters", Integer, comment="characters that the voice charges for"),
    Column("cost", Float, comment="in `currency`, by the price table of that day"),
    Column("currency", String(3)),
    Column("outcome", _JSON, comment="the fields that the agent file declares"),
    Column("recording", Text, comment="name of the recording under RECORDINGS_URL"),
    Column("trace_id", String(32), comment="OpenTelemetry's trace of the call"),
    Column("service", Text, comment="which process had the call: host and process number"),
)

_NEWEST_FIRST = calls.c.began_ms, calls.c.key

FAILED = "failures > 0 OR reason = 'failure'"
"""Condition of a call in which something failed. The index below has this condition word by word;
a database uses the index only for a query that repeats the condition."""

# Each filter of `history` has an index that also has the order of the list, so that the first page
# needs no sorting, whether the filter finds a million calls or none.
_WITHIN = calls.c.voice_to_voice_worst_ms, calls.c.ended_ms  # compared inside of the index
Index("calls_by_time", *_NEWEST_FIRST, *_WITHIN)
Index("calls_by_uuid", calls.c.uuid, *_NEWEST_FIRST)
Index("calls_by_caller", calls.c.caller_backwards, *_NEWEST_FIRST)
Index("calls_by_called", calls.c.called_backwards, *_NEWEST_FIRST)
Index("calls_by_agent", calls.c.agent, *_NEWEST_FIRST)
Index("calls_by_transport", calls.c.transport, *_NEWEST_FIRST)
Index("calls_by_reason", calls.c.reason, *_NEWEST_FIRST)
_FAILED = text(FAILED)
Index("calls_failed", *_NEWEST_FIRST, sqlite_where=_FAILED, postgresql_where=_FAILED)
_OPEN = calls.c.ended_ms.is_(None)
Index("calls_open", *_NEWEST_FIRST, sqlite_where=_OPEN, postgresql_where=_OPEN)

outcomes = Table(
    "outcomes",
    metadata,
    Column("call", ForeignKey("calls.key", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("began_ms", BigInteger, nullable=False, comment="the call began"),
    Column("name", Text, nullable=False, comment="a field of the outcome, in small letters"),
    Column("value", Text, nullable=False, comment="in small letters; of a list: one item"),
)
Index("outcomes_by_field", outcomes.c.name, outcomes.c.value, outcomes.c.began_ms, outcomes.c.call)
Index("outcomes_by_value", outcomes.c.value, outcomes.c.began_ms, outcomes.c.call)

turns = Table(
    "turns",
    metadata,
    Column("call", ForeignKey("calls.key", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", Integer, nullable=False, comment="the speaker began"),
    Column("until_ms", Integer, comment="the speaker ended"),
    Column("speaker", Text, nullable=False, comment="caller or agent"),
    Column("kind", Text, comment="words or keys; answer, welcome, prompts, sorry, ..."),
    Column("said", Text, comment="the words; of the agent: all that was sent to the voice"),
    Column("heard", Text, comment="of the agent: the words that the caller heard"),
    Column("words_said", Integer),
    Column("words_heard", Integer),
    Column("interrupted", Boolean, nullable=False),
    Column("voice_to_voice_ms", Integer, comment="an answer's wait; the parts follow"),
    Column("confirm_ms", Integer),
    Column("ahead_ms", Integer),
    Column("model_ms", Integer),
    Column("clause_ms", Integer),
    Column("voice_ms", Integer),
    Column("frame_ms", Integer),
    Column("requests", Integer),
    Column("prompt_tokens", Integer),
    Column("cached_tokens", Integer),
    Column("completion_tokens", Integer),
)

tools = Table(
    "tools",
    metadata,
    Column("call", ForeignKey("calls.key", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", Integer, nullable=False, comment="the tool began"),
    Column("name", Text, nullable=False),
    Column("took_ms", Integer),
    Column("failed", Boolean, nullable=False),
    Column("arguments", _JSON),
    Column("result", Text, comment="the result or the error, as the model was told"),
)

events = Table(
    "events",
    metadata,
    Column("call", ForeignKey("calls.key", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", Integer, nullable=False),
    Column("kind", Text, nullable=False, comment="key, transfer, failure, notice, note"),
    Column("details", _JSON, nullable=False),
)
