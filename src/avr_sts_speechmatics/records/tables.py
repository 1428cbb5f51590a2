"""The tables of the records, the same for SQLite and PostgreSQL.

`calls` has a row for each call. `turns`, `tools` and `events` have rows that belong to a call, in
the order of their numbers. Columns that end in `_ms` hold ms: `began_ms`, `seen_ms` and `ended_ms`
since 1970 (UTC), `at_ms` and `until_ms` since the call began. Which columns have a value depends on
HISTORY: words, arguments, keys and facts are kept from `transcripts` on.

Text that is searched is compared byte by byte in both databases, so that an index finds the
beginning of a text (`>=` and `<`; LIKE would not use the index). The last digits of a number are
found by the beginning of the number in reverse order, see `numbers`.

Each filter of `history` has an index that also has the order of the list, so that the first page
needs no sorting, whether the filter finds a million calls or none.
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
    TextClause,
    text,
)
from sqlalchemy.engine.default import DefaultExecutionContext

from avr_sts_speechmatics.records.numbers import backwards

# A value that is missing is NULL, not JSON's null.
_Json = JSON(none_as_null=True)
_Searched = Text().with_variant(Text(collation="C"), "postgresql")
_Key = String(32).with_variant(String(32, collation="C"), "postgresql")

FAILED = text("(failures > 0 OR error IS NOT NULL)")
RUNNING = text("ended_ms IS NULL")
WITH_WORDS = text("erased_ms IS NULL")
"""Conditions of `calls` that have an index; a search must use them as they are."""


def _only(name: str, condition: TextClause, *columns: str) -> Index:
    """An index that has only the rows of a condition."""
    return Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


def _reversed(number: str) -> Callable[[DefaultExecutionContext], str | None]:
    """Return the default of a column that holds a number in reverse order.

    number: the column with the number as it came.
    """

    def default(context: DefaultExecutionContext) -> str | None:
        given = context.get_current_parameters()  # type: ignore[no-untyped-call]
        return backwards(given.get(number))

    return default


_NEWEST = "began_ms", "key"

metadata = MetaData()

calls = Table(
    "calls",
    metadata,
    Column("key", _Key, primary_key=True, comment="unique, in the order of time"),
    Column("uuid", _Searched, nullable=False, comment="as AVR or Asterisk names the call"),
    Column("transport", Text, nullable=False),
    Column("agent", _Searched, nullable=False),
    Column("caller_number", _Searched, comment="who calls, as the exchange says"),
    Column("called_number", _Searched),
    Column(
        "caller_digits",
        _Searched,
        default=_reversed("caller_number"),
        comment="letters and digits of caller_number, the last one first",
    ),
    Column(
        "called_digits",
        _Searched,
        default=_reversed("called_number"),
        comment="the same of called_number",
    ),
    Column("facts", _Json, comment="everything else that came with the call"),
    Column("began_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, comment="the service last knew that the call was running"),
    Column("ended_ms", BigInteger, comment="no value: running, or the service was killed"),
    Column("reason", Text, comment="why the call ended: EndReason in dialogue/events.py"),
    Column("ended_by", Text, comment="caller, agent, operator or service"),
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
    Column("estimated_tokens", Integer, comment="part of these that no server counted"),
    Column("tts_characters", Integer, comment="characters that the voice charges for"),
    Column("cost", Float, comment="in `currency`, by the price table of that day"),
    Column("currency", String(3)),
    Column("outcome", _Json, comment="the fields that the agent file declares"),
    Column("outcome_error", Text, comment="why there is no outcome though one is declared"),
    Column("recording", Text, comment="name of the recording under RECORDINGS_URL"),
    Column("trace_id", String(32), comment="OpenTelemetry's trace of the call"),
    Column("service", Text, comment="which process had the call: host and process number"),
    Column("erased_ms", BigInteger, comment="words and recording were erased, see KEEP_DAYS"),
    # The waits and the ends are compared inside of the index.
    Index("calls_by_time", *_NEWEST, "voice_to_voice_worst_ms", "ended_ms"),
    Index("calls_by_uuid", "uuid", *_NEWEST),
    Index("calls_by_caller", "caller_digits", *_NEWEST),
    Index("calls_by_called", "called_digits", *_NEWEST),
    Index("calls_by_agent", "agent", *_NEWEST, "voice_to_voice_worst_ms"),
    Index("calls_by_wait", "voice_to_voice_worst_ms", *_NEWEST),
    Index("calls_by_transport", "transport", *_NEWEST),
    Index("calls_by_reason", "reason", *_NEWEST),
    _only("calls_that_failed", FAILED, *_NEWEST),
    _only("calls_that_run", RUNNING, *_NEWEST),
    _only("calls_with_words", WITH_WORDS, "began_ms"),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("call", _Key, ForeignKey("calls.key", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("began_ms", BigInteger, nullable=False, comment="the call began"),
    Column("name", _Searched, nullable=False, comment="a field of the outcome, in small letters"),
    Column("value", _Searched, nullable=False, comment="in small letters; of a list: one item"),
    Index("outcomes_by_field", "name", "value", "began_ms", "call"),
    Index("outcomes_by_value", "value", "began_ms", "call"),
)

turns = Table(
    "turns",
    metadata,
    Column("call", _Key, ForeignKey("calls.key", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", Integer, nullable=False, comment="the speaker began"),
    Column("until_ms", Integer, comment="the speaker ended"),
    Column("speaker", Text, nullable=False, comment="caller or agent"),
    Column("kind", Text, comment="words or keys; answer, welcome, sorry, prompts, ..."),
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
    Column("call", _Key, ForeignKey("calls.key", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", Integer, nullable=False, comment="the tool began"),
    Column("name", Text, nullable=False),
    Column("took_ms", Integer),
    Column("failed", Boolean, nullable=False),
    Column("arguments", _Json),
    Column("result", Text, comment="the result or the error, as the model was told"),
)

events = Table(
    "events",
    metadata,
    Column("call", _Key, ForeignKey("calls.key", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", Integer, nullable=False),
    Column("kind", Text, nullable=False, comment="key, transfer, failure, notice, note"),
    Column("details", _Json, nullable=False),
)
