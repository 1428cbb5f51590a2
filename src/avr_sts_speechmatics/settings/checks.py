"""Checks: from the text that an operator wrote to the value that the service uses.

Each check takes the text of a setting and returns the value, or raises InvalidValue with what is
allowed. The checks of a key of an agent file are the checks of the setting with the same meaning.
"""

import os
import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

import msgspec

from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.network import proxies, redis_address
from avr_sts_speechmatics.network.proxies import Proxy
from avr_sts_speechmatics.network.redis_address import RedisAddress
from avr_sts_speechmatics.pbx import dial_patterns
from avr_sts_speechmatics.settings.language_codes import code_meant
from avr_sts_speechmatics.tools.mcp_config import McpServers, parse_mcp_servers
from avr_sts_speechmatics.values import Secret, VocabEntry


def text(value: str) -> str:
    """Any text, unchanged."""
    return value


WORKERS_MAX = 64
"""Most worker processes."""

_NOT_REPLACED = re.compile(r"\$\{?\w+\}?|\$\(\w+\)|%\w+%|\{\{.*\}\}")
_PLACEHOLDER = re.compile(
    r"<.*>|\[.*\]|.*\byour\b.*\b(key|token|secret|password)\b.*", re.IGNORECASE
)
_NO_KEY = re.compile(
    r".*\.\.\..*|.*…|.*\*\*\*.*|(\w{1,4}[-_])?[x*]{3,}|.*\b(change|replace)\b.{0,3}\bme\b.*|changeme.*"
    r"|(replace|insert|enter|paste|put|add)\b.*|.*\bkey\b.*\bhere\b|(my|the)\b.*\b(key|token)"
    r"|(api\W?)?key|todo|tbd|fixme|placeholder|example|secret|token",
    re.IGNORECASE,
)
_WORDS = str.maketrans("_-.", "   ")


def phrase(value: str) -> str:
    """Text that is equal for all callers, so that its speech can be kept."""
    if "{" in value or "}" in value:
        raise InvalidValue("give text without { and }: it is equal for all callers")
    return text(value)


def secret(value: str) -> Secret:
    """A password: printable ASCII without spaces."""
    if not value.isascii() or any(c.isspace() or not c.isprintable() for c in value):
        raise InvalidValue("a key is plain letters, without spaces or line breaks; copy it again")
    if _NOT_REPLACED.fullmatch(value):
        raise InvalidValue("a variable stands there that was not replaced; give the key itself")
    if _PLACEHOLDER.fullmatch(value.translate(_WORDS)):
        raise InvalidValue("a placeholder, no key; put your own there, or take the line out")
    return Secret(value)


def api_key(value: str) -> Secret:
    """The key of a cloud service. No key has quotes in it, and no placeholder is a key."""
    if value[:1] in "\"'`" or value[-1:] in "\"'`":
        raise InvalidValue("a quote stands at its beginning or end; give the key without quotes")
    key = secret(value)
    if _NO_KEY.fullmatch(value) or _NO_KEY.fullmatch(value.translate(_WORDS).strip()):
        raise InvalidValue("a placeholder, no key; put your own there, or take the line out")
    return key


PRIVATE = (secret, api_key)
"""The checks of values that are never shown."""


def number(low: float, high: float, unit: str = "") -> Callable[[str], float]:
    """Return a function that checks that a text is a number from low to high, and returns it.

    low: the smallest value.
    high: the largest value.
    unit: the unit in the plural, for the text of the error.

    The function raises InvalidValue.
    """

    def parse(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise InvalidValue(f"give a number{unit and ' of ' + unit} from {low:g} to {high:g}")
        return number

    return parse


def whole(low: int, high: int, unit: str = "") -> Callable[[str], int]:
    """Return a function that checks that a text is a whole number, and returns the number.

    low: the smallest value.
    high: the largest value.
    unit: the unit in the plural, for the text of the error.

    The function raises InvalidValue.
    """

    def parse(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise InvalidValue(f"give a whole number{unit and ' of ' + unit} from {low} to {high}")
        return number

    return parse


def port(value: str) -> int:
    """Check a port, 1 to 65535, and return it. Raises InvalidValue."""
    try:
        return whole(1, 65535)(value)
    except InvalidValue:
        raise InvalidValue("not a port; give a number from 1 to 65535") from None


def ports(value: str) -> tuple[int, ...]:
    """Check ports separated by commas and return each port once; an empty text is no port."""
    try:
        return tuple(dict.fromkeys(port(part.strip()) for part in value.split(",") if part.strip()))
    except InvalidValue:
        raise InvalidValue(
            "give ports from 1 to 65535, separated by commas, or nothing for none"
        ) from None


def one_of(*allowed: str, also: Mapping[str, str] | None = None) -> Callable[[str], str]:
    """One of the words, in any case; the value is in lower case.

    also: further words that are understood, with the allowed word that each means.
    """
    meant = {word: word for word in allowed} | dict(also or {})

    def parse(value: str) -> str:
        if value.lower() not in meant:
            raise InvalidValue(f"give one of {', '.join(allowed)}")
        return meant[value.lower()]

    return parse


YES = ("true", "yes", "on", "1", "y", "t", "enabled")
NO = ("false", "no", "off", "0", "n", "f", "disabled")
"""The words for a truth value, wherever one is set."""


def yes_or_no(value: str) -> bool:
    """A truth value, one of YES or NO in any case."""
    if value.lower() in (*YES, *NO):
        return value.lower() in YES
    raise InvalidValue("give true or false")


def on_or_off(value: str) -> str:
    """A truth value as `on` or `off`; every word of YES and NO is understood."""
    try:
        return "on" if yes_or_no(value) else "off"
    except InvalidValue:
        raise InvalidValue("give on or off") from None


def phrases(value: str) -> tuple[str, ...]:
    """Phrases separated by commas; the value is in lower case without punctuation.

    In this form the phrases are compared with the words that the STT recognised.
    """
    kept = ("".join(c if c.isalnum() or c == " " else "" for c in p) for p in value.split(","))
    return tuple(" ".join(phrase.lower().split()) for phrase in kept if phrase.strip())


def host(value: str) -> str:
    """A host name or an IP address, without a port."""
    try:
        value.encode("idna")  # as resolvers do: rejects an empty and a too long label
    except UnicodeError:
        raise InvalidValue("give a host name or an address") from None
    if not value or not all(c.isalnum() or c in "-_.:%[]" for c in value):
        raise InvalidValue("give a host name or an address")
    if ":" in value:
        try:
            ip_address(value)
        except ValueError:
            raise InvalidValue("give a host name or an address, without a port") from None
    return value


def url(*schemes: str) -> Callable[[str], str]:
    """Return a function that checks an address, which must not have a user name or password.

    schemes: allowed schemes, such as "https".

    The value is the text itself: a slash at the end may have a meaning for the server.
    """

    def parse(value: str) -> str:
        try:
            parts = urlsplit(value)
            usable = parts.scheme in schemes and bool(parts.hostname)
            usable = usable and not any(c.isspace() or not c.isprintable() for c in value)
            host(parts.hostname or "")
            _ = parts.port  # urlsplit checks the port only when it is read
        except ValueError:
            usable = False
        if not usable:
            raise InvalidValue(
                f"give an address that begins with {' or '.join(s + '://' for s in schemes)}"
            )
        if parts.username or parts.password:
            raise InvalidValue("give the address without a user name or password")
        if "#" in value:
            raise InvalidValue("give the address without # and what follows")
        return value

    return parse


def base_url(*schemes: str, without: str = "") -> Callable[[str], str]:
    """An address to which paths are appended; the value has no slash at the end of its path.

    without: the path that is appended. Many people give the whole address.
    """
    whole = url(*schemes)

    def parse(value: str) -> str:
        parts = urlsplit(whole(value))
        path = parts.path.rstrip("/")
        if without and path.endswith(without):
            base = f"{parts.scheme}://{parts.netloc}{path.removesuffix(without)}"
            raise InvalidValue(f"{without} is appended to it; give {base}")
        if parts.hostname == "api.openai.com" and not path:
            raise InvalidValue(f"give {parts.scheme}://{parts.netloc}/v1")
        return parts._replace(path=path).geturl()

    return parse


def language(value: str) -> str:
    """A language code: letters, `_` and `-`, at most 15 characters."""
    if (code := code_meant(value)) is not None:
        raise InvalidValue(f"give Speechmatics' code for the language, {code}")
    if not value.replace("_", "").replace("-", "").isalpha() or len(value) > 15:
        raise InvalidValue("give a language code such as en, de or es")
    return value


def time_zone(value: str) -> ZoneInfo:
    """A time zone by its IANA name."""
    try:
        return ZoneInfo(value)
    except (ValueError, OSError, KeyError):  # not a name, a folder of names, an unknown name
        if not available_timezones():
            raise InvalidValue("this machine has no time zones; install tzdata") from None
        raise InvalidValue("give the IANA name of a time zone, such as Europe/Berlin") from None


def name(value: str) -> str:
    """A name that a service chose, for example of a model; at most 200 characters."""
    if not all(c.isalnum() or c in "-_.:/" for c in value) or len(value) > 200:
        raise InvalidValue("give a plain name: letters, digits, and - _ . : /")
    return value


def mixed_name(value: str) -> str:
    """The name of a voice at a server, or a mixture of voices such as `af_heart(2)+af_sky(1)`."""
    name(value.translate({ord(mark): None for mark in "+()"}))
    return value


def voice(value: str) -> str:
    """The name of a Speechmatics voice: safe in the path of an address, at most 60 characters."""
    if not all(c.isalnum() or c in "-_" for c in value) or len(value) > 60:
        raise InvalidValue("give a voice's name, such as sarah, theo, megan or jack")
    return value


def proxy(value: str) -> Proxy:
    """The address of a proxy, with user name and password if it wants them."""
    try:
        return proxies.parse(value)
    except ValueError:
        raise InvalidValue("give the address of a proxy, such as http://proxy:3128") from None


def redis(value: str) -> RedisAddress:
    """The address of a Redis or Valkey server, with its password if it wants one."""
    try:
        return redis_address.parse(value)
    except ValueError as error:
        raise InvalidValue(str(error)) from None


def redis_prefix(value: str) -> str:
    """The beginning of the names of keys: at most 100 plain characters."""
    # The other characters are patterns in an access list of Redis.
    if not value.isascii() or not all(c.isalnum() or c in "-_.:/" for c in value):
        raise InvalidValue("give a plain name: letters, digits, and - _ . : /")
    if len(value) > 100:
        raise InvalidValue("give at most 100 characters")
    return value


def no_proxy(value: str) -> tuple[str, ...]:
    """Hosts, domains and networks, separated by commas; every text is a value."""
    return proxies.no_proxy(value)


def file(value: str) -> Path:
    """The path of an existing file; `~` stands for the home directory."""
    try:
        path = Path(value).expanduser()
        there = path.is_file()
    except (OSError, RuntimeError):  # too long, or not permitted; the home of an unknown user
        there = False
    if not there:
        raise InvalidValue("there is no such file; give the path of a readable file")
    if not os.access(path, os.R_OK):
        raise InvalidValue("permission denied; let the user that runs the service read the file")
    return path


def directory(value: str) -> Path:
    """The path of an existing directory; `~` stands for the home directory."""
    try:
        path = Path(value).expanduser()
        there = path.is_dir()
    except (OSError, RuntimeError):
        there = False
    if not there:
        raise InvalidValue("there is no such directory; give the path of a directory")
    if not os.access(path, os.R_OK | os.X_OK):
        raise InvalidValue("permission denied; let the user that runs the service read it")
    return path


def directory_or_off(value: str) -> Path | Literal["off"]:
    """`off`, or the path of a directory that may be missing; `~` stands for the home directory."""
    if value.lower() == "off":
        return "off"
    try:
        path = Path(value).expanduser().absolute()
    except RuntimeError:  # the home of an unknown user
        raise InvalidValue("there is no such home; give the path of a directory, or off") from None
    try:
        other = path.exists() and not path.is_dir()
    except OSError:  # not permitted: a warning when it is used, no reason not to start
        other = False
    if other:
        raise InvalidValue("not a directory; give the path of a directory, or off")
    return path


def port_or_none(value: str) -> int | None:
    """A port, or None for 0."""
    try:
        return whole(0, 65535)(value) or None
    except InvalidValue:
        raise InvalidValue("not a port; give a number from 1 to 65535, or 0 for none") from None


def workers(value: str) -> int | None:
    """A number of processes, or None for `auto`."""
    if value.strip().lower() == "auto":
        return None
    try:
        return whole(1, WORKERS_MAX)(value)
    except InvalidValue:
        raise InvalidValue(f"give a number from 1 to {WORKERS_MAX}, or auto") from None


def hangup_or(other: str) -> Callable[[str], str]:
    """Return a check for `hangup`, another word, or `transfer:<extension>`.

    other: the other word.
    """

    def parse(value: str) -> str:
        kind, colon, extension = (part.strip() for part in value.partition(":"))
        kind = kind.lower()
        if kind == "transfer" and dial_patterns.is_extension(extension):
            return f"{kind}:{extension}"
        if kind not in ("hangup", other) or colon:
            transfer = "transfer:<extension> such as transfer:700"
            raise InvalidValue(f"give hangup, {other}, or {transfer}")
        return kind

    return parse


def context(value: str) -> str:
    """A context of the dialplan."""
    if not dial_patterns.is_context(value):
        raise InvalidValue("give a dialplan context: letters, digits, and - _ .")
    return value


def patterns(value: str) -> tuple[dial_patterns.Pattern, ...]:
    """Extensions and dialplan patterns, separated by commas."""
    try:
        return dial_patterns.parse(value)
    except ValueError as error:
        raise InvalidValue(str(error)) from None


def mcp_servers(value: str) -> McpServers:
    """MCP servers: JSON, or the path of a JSON or YAML file."""
    try:
        return parse_mcp_servers(value)
    except ValueError as error:
        raise InvalidValue(str(error)) from None


def vocab(value: str) -> tuple[VocabEntry, ...]:
    """Words separated by commas, or Speechmatics' JSON list with `sounds_like`."""
    if not value.lstrip().startswith("["):
        return tuple(VocabEntry(word.strip()) for word in value.split(",") if word.strip())
    try:
        entries = msgspec.json.decode(value, type=list[str | VocabEntry])
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise InvalidValue(
            'give words separated by commas, or a JSON list such as ["Brandvoll", '
            f'{{"content": "Siobhan", "sounds_like": ["shiv awn"]}}] ({error})'
        ) from None
    words = (VocabEntry(entry) if isinstance(entry, str) else entry for entry in entries)
    return tuple(word for word in words if word.content.strip())
