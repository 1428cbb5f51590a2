"""Models whose end the vendor has announced, and the warnings to the operator.

The dates were read from developers.openai.com/deprecations on 2026-11-28, those of speech models
also from the vendor's client. A model that is not listed may still have an end: `GET
/v1/models/<model>` has the field `shutdown_date`. Speechmatics has announced no end of a model; its
text-to-speech is a preview (`services.tts.speechmatics.STATUS`).
[OpenAI reference, 6, 9; openai 3.54.0, types/model.py, types/audio/speech_create_params.py,
types/audio/transcription_create_params.py]
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec

from avr_sts_speechmatics.network.proxies import Proxy
from avr_sts_speechmatics.values import Secret

WARN_DAYS = 60
"""Time before the end of a model in which the operator is warned (days)."""

ASK_S = 3.0
"""Longest wait for a server's description of a model (s)."""

ENDS: Mapping[str, date] = {
    **dict.fromkeys(("gpt-4.1-nano", "gpt-4-turbo", "gpt-3.5-turbo"), date(2026, 10, 23)),
    **dict.fromkeys(("gpt-5", "gpt-5-mini", "gpt-5-nano", "o3"), date(2026, 12, 11)),
    **dict.fromkeys(("tts-1", "tts-1-hd", "gpt-4o-mini-tts"), date(2027, 1, 6)),
    **dict.fromkeys(("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini"), date(2027, 1, 14)),
    **dict.fromkeys(("gpt-realtime", "gpt-realtime-mini"), date(2027, 1, 20)),
    **dict.fromkeys(("whisper-1", "gpt-4o-transcribe"), date(2027, 2, 26)),
    **dict.fromkeys(("gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize"), date(2027, 2, 26)),
    **dict.fromkeys(("gpt-5.1", "gpt-5.4-nano"), date(2027, 4, 1)),
}
"""Models of OpenAI, each with the day on which it is shut down."""

_SNAPSHOT = re.compile(r"-(\d{4}|\d{4}-\d{2}-\d{2})$")


class _Model(msgspec.Struct):
    shutdown_date: str | None = None


@dataclass(frozen=True, slots=True)
class ModelInUse:
    """A model that calls may have.

    chosen_by: the setting or the agent file that chooses the model.
    name: name of the model, possibly with the date of a snapshot.
    url: base address of the server.
    key: API key for the server; None for a server without keys.
    advice: what the operator can do when the model ends.
    """

    chosen_by: str
    name: str
    url: str
    key: Secret | None = None
    advice: str = "choose another model"


def announced_end(url: str, model: str) -> date | None:
    """Return the announced end of a model, by ENDS; None for other servers than OpenAI's.

    url: base address of the server.
    model: name of the model, possibly with the date of a snapshot.
    """
    host = urlsplit(url).hostname or ""
    if host != "api.openai.com" and not host.endswith(".api.openai.com"):
        return None
    return ENDS.get(model) or ENDS.get(_SNAPSHOT.sub("", model))


async def shutdown_date(
    url: str, key: Secret | None, model: str, proxy: Proxy | None = None
) -> date | None:
    """Ask a server when it shuts a model down; None if the server does not say.

    url: base address of the server.
    key: the API key; None for a server without keys.
    proxy: the HTTP proxy to connect through, or None.
    """
    parts = urlsplit(url)
    path = f"{parts.path.rstrip('/')}/models/{quote(model, safe='')}"
    headers = {} if key is None else {"Authorization": f"Bearer {key.reveal()}"}
    try:
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=ASK_S),
                proxy=None if proxy is None else proxy.url.reveal(),
            ) as http,
            http.get(parts._replace(path=path).geturl(), headers=headers) as response,
        ):
            found = msgspec.json.decode(await response.read(), type=_Model)
            return date.fromisoformat((found.shutdown_date or "")[:10])
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, msgspec.MsgspecError):
        return None


def warning(model: ModelInUse, end: date, today: date | None = None) -> str | None:
    """Return a sentence about a model's end with advice; None while the end is far away.

    today: the current day; None for the day of this machine's clock.
    """
    days = (end - (today or date.today())).days  # noqa: DTZ011 - the operator's own day
    if days > WARN_DAYS:
        return None
    day = f"{end.day} {end:%B %Y}"
    ends = f"ends on {day}" if days > 0 else f"was announced to end on {day}"
    return f"{model.chosen_by}: the model {model.name} {ends}; {model.advice}."


def warnings(models: Iterable[ModelInUse], today: date | None = None) -> Iterator[str]:
    """Yield the warnings that need no request; see `warning`."""
    for model in models:
        end = announced_end(model.url, model.name)
        if end is not None and (sentence := warning(model, end, today)) is not None:
            yield sentence
