"""Checks of settings: from the text an operator wrote to the value the service uses.

Each takes the text and gives the value, or raises InvalidValue with what is allowed.
"""

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.pbx import dial_patterns
from avr_sts_speechmatics.tools.mcp_config import McpServers, parse_mcp_servers
from avr_sts_speechmatics.values import Secret, VocabEntry


def text(value: str) -> str:
    return value


def secret(value: str) -> Secret:
    if not value.isascii() or any(c.isspace() or not c.isprintable() for c in value):
        raise InvalidValue("a key is plain letters, without spaces or line breaks; copy it again")
    return Secret(value)


def number(low: float, high: float, unit: str = "") -> Callable[[str], float]:
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
    try:
        return whole(1, 65535)(value)
    except InvalidValue:
        raise InvalidValue("not a port; give a number from 1 to 65535") from None


def ports(value: str) -> tuple[int, ...]:
    try:
        return tuple(dict.fromkeys(port(part.strip()) for part in value.split(",") if part.strip()))
    except InvalidValue:
        raise InvalidValue(
            "give ports from 1 to 65535, separated by commas, or nothing for none"
        ) from None


def one_of(*allowed: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.lower() not in allowed:
            raise InvalidValue(f"give one of {', '.join(allowed)}")
        return value.lower()

    return parse


def yes_or_no(value: str) -> bool:
    try:
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
            value.lower()
        ]
    except KeyError:
        raise InvalidValue("give true or false") from None


def phrases(value: str) -> tuple[str, ...]:
    """Phrases in lower case, without punctuation, as they are compared with what is heard."""
    kept = ("".join(c if c.isalnum() or c == " " else "" for c in p) for p in value.split(","))
    return tuple(" ".join(phrase.lower().split()) for phrase in kept if phrase.strip())


def host(value: str) -> str:
    try:
        value.encode("idna")  # as resolvers do: no empty label, none too long
    except UnicodeError:
        raise InvalidValue("give a host name or an address") from None
    if not value or any(c.isspace() or not c.isprintable() or c == "/" for c in value):
        raise InvalidValue("give a host name or an address")
    if ":" in value:
        try:
            ip_address(value)
        except ValueError:
            raise InvalidValue("give a host name or an address, without a port") from None
    return value


def url(*schemes: str) -> Callable[[str], str]:
    """A whole address, taken to the letter: a slash at its end may matter to its server."""

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
        return value

    return parse


def base_url(*schemes: str) -> Callable[[str], str]:
    """An address that a path is added to: without a slash at its end."""
    whole = url(*schemes)

    def parse(value: str) -> str:
        return value if urlsplit(whole(value)).query else value.rstrip("/")

    return parse


def language(value: str) -> str:
    if not value.replace("_", "").replace("-", "").isalpha() or len(value) > 15:
        raise InvalidValue("give a language code such as en, de or es")
    return value


def name(value: str) -> str:
    if not all(c.isalnum() or c in "-_.:/" for c in value) or len(value) > 200:
        raise InvalidValue("give a plain name: letters, digits, and - _ . : /")
    return value


def voice(value: str) -> str:
    if not all(c.isalnum() or c in "-_" for c in value) or len(value) > 60:
        raise InvalidValue("give a voice's name, such as sarah, theo, megan or jack")
    return value


def file(value: str) -> Path:
    try:
        path = Path(value).expanduser()
        there = path.is_file()
    except (OSError, RuntimeError):  # too long, not to be looked at; a home that is nobody's
        there = False
    if not there:
        raise InvalidValue("there is no such file; give the path of a readable file")
    return path


def directory(value: str) -> Path:
    try:
        path = Path(value).expanduser()
        there = path.is_dir()
    except (OSError, RuntimeError):
        there = False
    if not there:
        raise InvalidValue("there is no such directory; give the path of a directory")
    return path


def port_or_none(value: str) -> int | None:
    """A port, or None for 0."""
    try:
        return whole(0, 65535)(value) or None
    except InvalidValue:
        raise InvalidValue("not a port; give a number from 1 to 65535, or 0 for none") from None


def on_failure(value: str) -> str:
    """`hangup`, `close`, or `transfer:<extension>`."""
    kind, colon, extension = (part.strip() for part in value.partition(":"))
    kind = kind.lower()
    if kind == "transfer" and dial_patterns.is_extension(extension):
        return f"{kind}:{extension}"
    if kind not in ("hangup", "close") or colon:
        raise InvalidValue("give hangup, close, or transfer:<extension> such as transfer:700")
    return kind


def context(value: str) -> str:
    if not dial_patterns.is_context(value):
        raise InvalidValue("give a dialplan context: letters, digits, and - _ .")
    return value


def patterns(value: str) -> tuple[dial_patterns.Pattern, ...]:
    try:
        return dial_patterns.parse(value)
    except ValueError as error:
        raise InvalidValue(str(error)) from None


def mcp_servers(value: str) -> McpServers:
    try:
        return parse_mcp_servers(value)
    except ValueError as error:
        raise InvalidValue(str(error)) from None


def vocab(value: str) -> tuple[VocabEntry, ...]:
    """A comma-separated list of words, or the service's own JSON list with `sounds_like`."""
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
