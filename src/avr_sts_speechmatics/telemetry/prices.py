"""Price table: what the use of a service costs.

`prices.yaml` holds the default table with dates and sources. The operator's file (PRICES_FILE) has
the same form, and its entries are read first, so that they replace or add; `defaults: false` leaves
the default table out. A service without an entry has an unknown price: the cost of a call that used
the service is unknown, never 0.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.yaml_text import YamlError, YamlMapping, parse_yaml, shown

Service: TypeAlias = Literal["stt", "llm", "tts"]

SANDBOX = "sandbox"
"""Name of the sandbox's server in a table."""

_MILLION = 1_000_000
_PORT = re.compile(r":\d+$")
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_KEYS = ("service", "server", "model", "source", "read", "note")
_UNITS: Mapping[str, tuple[str, ...]] = {
    "stt": ("per_hour", "per_minute"),
    "llm": ("per_1m_tokens",),
    "tts": ("per_1m_characters",),
}
_TOKENS = ("prompt", "cached", "completion")


class _Wrong(Exception):
    """An entry is invalid. The message names the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The price of a service, in the currency of its table. Prices of other services are 0.

    second: of recognised audio (s).
    prompt: of a token of a request that did not come from the server's cache.
    cached: of a token of a request that came from the cache.
    completion: of a token of an answer.
    character: of spoken text.
    """

    second: float = 0.0
    prompt: float = 0.0
    cached: float = 0.0
    completion: float = 0.0
    character: float = 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a table.

    service: "stt", "llm" or "tts".
    server: host of the service or the end of the host, possibly with a port; lower case.
    model: name of a model; None for every model of the server.
    price: the price.
    source: where the price was read.
    read: when the price was read.
    """

    service: Service
    server: str
    model: str | None
    price: Price
    source: str
    read: str

    def matches(self, service: Service, server: str, model: str) -> bool:
        """Whether the entry is about a service. The date of a model's snapshot does not count."""
        if service != self.service:
            return False
        host = server if _PORT.search(self.server) else _PORT.sub("", server)
        if host != self.server and not host.endswith("." + self.server):
            return False
        return self.model in (None, model, _SNAPSHOT.sub("", model))


class Prices:
    """A price table.

    entries: the first one that matches counts.
    currency: three letters.
    date: when the table was made; may be empty.
    aliases: names of servers in the table by their host and port, such as of the sandbox.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        currency: str = "USD",
        date: str = "",
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self.entries = tuple(entries)
        self.currency = currency
        self.date = date
        self._aliases = dict(aliases or {})
        self._known: dict[tuple[Service, str, str], Price | None] = {}

    def of(self, service: Service, server: str, model: str) -> Price | None:
        """Return the price of a service; None if the table does not have the service.

        server: host, and port if it is not the usual one.
        model: name of the model; empty if the server has no choice.
        """
        what = service, server, model
        if what not in self._known:
            name = self._aliases.get(server, server)
            found = (one.price for one in self.entries if one.matches(service, name, model))
            self._known[what] = next(found, None)
        return self._known[what]

    def unknown(self, used: Iterable[tuple[Service, str, str]]) -> list[str]:
        """Return those of the services that have no price, in words."""
        return [
            f"{service} {model} at {server}" if model else f"{service} at {server}"
            for service, server, model in dict.fromkeys(used)
            if self.of(service, server, model) is None
        ]


def default_prices() -> Prices:
    """Return the table of this package."""
    return _read(resources.files(__package__).joinpath("prices.yaml").read_text("utf-8"))


def load_prices(path: Path | None, aliases: Mapping[str, str] | None = None) -> Prices:
    """Return the table of an operator's file with the default table behind it.

    path: the file; None for the default table alone.
    aliases: see `Prices`.

    Raises SettingsError, which names the key.
    """
    defaults = default_prices()
    if path is None:
        return Prices(defaults.entries, defaults.currency, defaults.date, aliases)
    try:
        own = _read(path.read_text("utf-8"), defaults)
    except (OSError, UnicodeError, YamlError, _Wrong) as error:
        raise SettingsError(f"PRICES_FILE={path}: {error}") from error
    return Prices(own.entries, own.currency, own.date, aliases)


def _read(text: str, defaults: Prices | None = None) -> Prices:
    """Read a table. Raises YamlError or _Wrong.

    defaults: the table that follows, unless the text says `defaults: false`.
    """
    table = parse_yaml(text)
    if not isinstance(table, YamlMapping):
        raise _Wrong("give a mapping with the keys currency, date and prices")
    _only(table, "", ("currency", "date", "defaults", "prices"))
    if table.get("defaults", "true") not in ("true", "false"):
        raise _Wrong(f"defaults: {shown(table['defaults'])}: give true or false")
    if table.get("defaults") == "false":
        defaults = None
    currency = table.get("currency", defaults.currency if defaults is not None else None)
    if not isinstance(currency, str) or not re.fullmatch("[A-Z]{3}", currency):
        raise _Wrong("currency: give three capital letters, such as USD")
    if defaults is not None and currency != defaults.currency:
        raise _Wrong(
            f"currency: {currency}: the default prices are in {defaults.currency}; "
            "give defaults: false to do without the default prices"
        )
    listed = table.get("prices")
    if not isinstance(listed, list):
        raise _Wrong("prices: give a list")
    entries = [_entry(one, f"prices[{number}]") for number, one in enumerate(listed, 1)]
    if defaults is not None:
        entries += defaults.entries
    return Prices(entries, currency, _text(table, "", "date", ""))


def _entry(raw: Any, where: str) -> Entry:
    if not isinstance(raw, YamlMapping):
        raise _Wrong(f"{where}: give a mapping with the keys service, server and a price")
    where += "."
    service: Any = raw.get("service")
    if service not in get_args(Service):
        raise _Wrong(f"{where}service: give one of {', '.join(get_args(Service))}")
    units = _UNITS[service]
    _only(raw, where, (*_KEYS, *units))
    given = [unit for unit in units if unit in raw]
    if len(given) != 1:
        raise _Wrong(f"{where}{units[0]}: give one price: {' or '.join(units)}")
    server = _text(raw, where, "server").lower()
    if "/" in server:
        raise _Wrong(f"{where}server: {shown(server)}: give a host, such as api.openai.com")
    return Entry(
        service,
        server,
        _text(raw, where, "model", "") or None,
        _price(raw, where, given[0]),
        _text(raw, where, "source", ""),
        _text(raw, where, "read", ""),
    )


def _price(raw: YamlMapping, where: str, unit: str) -> Price:
    if unit == "per_1m_tokens":
        tokens, where = raw[unit], f"{where}{unit}"
        if not isinstance(tokens, YamlMapping):
            raise _Wrong(f"{where}: give a mapping with the keys {', '.join(_TOKENS)}")
        where += "."
        _only(tokens, where, _TOKENS)
        prompt = _number(tokens, where, "prompt") / _MILLION
        cached = _number(tokens, where, "cached") / _MILLION if "cached" in tokens else prompt
        completion = _number(tokens, where, "completion") / _MILLION
        return Price(prompt=prompt, cached=cached, completion=completion)
    amount = _number(raw, where, unit)
    if unit == "per_1m_characters":
        return Price(character=amount / _MILLION)
    return Price(second=amount / (3600 if unit == "per_hour" else 60))


def _only(table: YamlMapping, where: str, allowed: Sequence[str]) -> None:
    for key in table:
        if key not in allowed:
            raise _Wrong(f"{where}{key}: unknown; the keys are {', '.join(allowed)}")


def _text(table: YamlMapping, where: str, key: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or (default is None and not value):
        raise _Wrong(f"{where}{key}: give a text")
    return value


def _number(table: YamlMapping, where: str, key: str) -> float:
    try:
        number = float(table[key])
    except (KeyError, TypeError, ValueError):
        number = -1.0
    if not 0 <= number < math.inf:
        raise _Wrong(f"{where}{key}: give a number from 0 on")
    return number
