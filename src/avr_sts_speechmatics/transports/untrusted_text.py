"""Bounds for text that comes with a call: query parameters, headers, names in messages.

Any client of a port can put anything into this text, and the text ends up in logs, webhooks and
instructions of the model. So the number of texts, their lengths and their characters are limited
before any other code uses them. The texts stay untrusted.
"""

import logging
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlsplit

from avr_sts_speechmatics.network import trace_context
from avr_sts_speechmatics.network.untrusted_json import ERRORS

FACTS_MAX = 32
"""Facts kept of one call."""

FACT_NAME_MAX = 64
"""Longest name of a fact, and of a call (characters)."""

FACT_VALUE_MAX = 256
"""Longest value of a fact (characters)."""

_NO_FACTS = len(trace_context.NAMES)

_log = logging.getLogger(__name__)


def _warn(what: str) -> None:
    _log.warning("%s", what)


def clean(text: str, longest: int) -> str:
    """Return the printable characters among the first `longest` characters of a text."""
    return "".join(c for c in text[:longest] if c.isprintable())


def text_of(value: object) -> str:
    """Return a decoded JSON value as text; "" if it has none, such as too deep an array."""
    try:
        return str(value)
    except ERRORS:
        return ""


def facts_of(path: str, complain: Callable[[str], None] = _warn) -> Mapping[str, str]:
    """Read the facts of a call from the query parameters of a request.

    path: path and query, or a whole address.
    complain: called with a sentence for the log.

    Names and values are cleaned and bounded. If a name occurs twice, the first value counts.
    More than FACTS_MAX parameters are all ignored, with a warning in the log. `traceparent` and
    `tracestate` are no facts; for them see `network.trace_context`.
    """
    try:
        query = urlsplit(path).query
    except ValueError:
        complain("the address cannot be read: its query parameters are not used")
        return {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=FACTS_MAX + _NO_FACTS)
        pairs = [pair for pair in pairs if pair[0].lower() not in trace_context.NAMES]
        if len(pairs) > FACTS_MAX:
            raise ValueError
    except ValueError:
        complain(f"more than {FACTS_MAX} query parameters: none is used")
        return {}
    facts: dict[str, str] = {}
    for name, value in pairs:
        facts.setdefault(clean(name, FACT_NAME_MAX), clean(value, FACT_VALUE_MAX))
    return facts
