"""The tables of the records, the same for SQLite and PostgreSQL.

`calls` has a row for each call. `turns`, `tools` and `events` have rows that belong to a call, in
the order of their numbers. Columns that end in `_ms` hold ms: `began_ms`, `seen_ms` and `ended_ms`
since 1970 (UTC), `at_ms` and `until_ms` since the call began. Which columns have a value depends on
HISTORY: words, arguments, keys and facts are kept from `transcripts` on.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

calls = Table(
    "calls",
    metadata,
    Column("key", String(32), primary_key=True, comment="unique, in the order of time"),
    Column("uuid", Text, nullable=False, comment="as AVR or Asterisk names the call"),
    Column("transport", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("caller_number", Text, comment="who calls, as the exchange says"),
    Column("called_number", Text),
    Column("facts", JSON, comment="everything else that came with the call"),
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
    Column("outcome", JSON, comment="the fields that the agent file declares"),
    Column("outcome_error", Text, comment="why there is no outcome though one is declared"),
    Column("recording", Text, comment="name of the recording under RECORDINGS_URL"),
    Column("trace_id", String(32), comment="OpenTelemetry's trace of the call"),
    Column("service", Text, comment="which process had the call: host and process number"),
)

turns = Table(
    "turns",
    metadata,
    Column("call", ForeignKey("calls.key", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", Integer, nullable=False, comment="the speaker began"),
    Column("until_ms", Integer, comment="the speaker ended"),
    Column("speaker", Text, nullable=False, comment="caller or agent"),
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
    Column("arguments", JSON),
    Column("result", Text, comment="the result or the error, as the model was told"),
)

events = Table(
    "events",
    metadata,
    Column("call", ForeignKey("calls.key", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", Integer, nullable=False),
    Column("kind", Text, nullable=False, comment="key, transfer, failure, notice, note"),
    Column("details", JSON, nullable=False),
)
