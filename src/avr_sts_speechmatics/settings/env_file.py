"""The file `.env`: read strictly, so that no line is lost without a message.

python-dotenv reads the lines as docker compose and most tools do: `NAME=value`, `export
NAME=value`, quotes, comments, `${OTHER}`. A line that python-dotenv skips stops the start here,
with its number and what to do. No error and no warning shows a value: the value may be a key.
"""

import difflib
import io
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream
from dotenv.variables import Variable, parse_variables

from avr_sts_speechmatics.errors import SettingsError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_BEGINS = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*(\S?)")
_SWALLOWED = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class EnvFile:
    """The content of a file `.env`.

    values: values by name, `${OTHER}` replaced. A name without `=` is left out: the environment
        decides.
    warnings: warnings for the operator, one sentence each.
    """

    values: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def read_env_file(path: Path, known: Collection[str], environ: Mapping[str, str]) -> EnvFile:
    """Read a file that may be missing.

    known: names of settings. Messages quote only known names and names that resemble them.
    environ: variables that `${OTHER}` in the file may name.

    Raises SettingsError for a file that cannot be read and for a line that has no meaning.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return EnvFile({})
    except IsADirectoryError:
        if (path / "pyvenv.cfg").exists():  # a virtual environment of that name
            return EnvFile({})
        warning = f"{path} is a directory and not read; Docker makes one where a file is missing."
        return EnvFile({}, (warning,))
    except PermissionError:
        if _is_hidden(path):
            return EnvFile({})
        raise SettingsError(
            f"{path}: cannot be read (permission denied); let the user that runs the service read "
            "the file, or take the file away."
        ) from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise SettingsError(f"{path}: not text in UTF-8; save the file as UTF-8.")
    bindings = list(parse_stream(io.StringIO(text)))
    for binding in bindings:
        if mistake := _mistake(binding, known):
            raise SettingsError(f"{path}, line {_line(binding)}: {mistake}.")
    found = dotenv_values(stream=io.StringIO(text))
    values = {name: value for name, value in found.items() if value is not None}
    return EnvFile(values, tuple(_warnings(path, bindings, values.keys() | environ.keys())))


def _is_hidden(path: Path) -> bool:
    """Whether the folder of a file cannot be entered, so that the file may not exist at all.

    A container that runs under another user id than the image's has such a working directory.
    """
    try:
        path.lstat()
    except OSError:
        return True
    return False


def _mistake(binding: Binding, known: Collection[str]) -> str:
    """Return the fault of a line, in words; empty for a line without a fault."""
    text = binding.original.string
    begins = _BEGINS.match(text)
    name, follows = (begins[1], begins[2]) if begins else ("", "")
    if not _looks_known(name, known):
        name = ""
    about = f"{name}: " if name else ""
    if binding.error:
        if follows != "=":
            where = f" after {name}" if name else ""
            return f"there is no `=`{where}; write {name or 'NAME'}=value, and # before a comment"
        value = text.partition("=")[2].lstrip()
        quote = value[:1]
        if quote in ("'", '"') and not re.match(rf"{quote}(?:\\.|[^{quote}\\\n])*{quote}", value):
            return f"{about}{_unclosed(quote)}"
        return f"{about}text follows the closing quote; put the whole value into the quotes"
    if binding.key is None:
        return ""  # a comment or an empty line
    if not _NAME.match(binding.key):
        return (
            "the name before `=` has other characters than letters, digits and _; write NAME=value"
        )
    if binding.value is not None and "\n" in binding.value:
        inside = (match[1] for match in _SWALLOWED.finditer(binding.value))
        if any(other in known for other in inside):
            value = text.partition("=")[2].lstrip()
            return f"{about}{_unclosed(value[:1])}"
    return ""


def _unclosed(quote: str) -> str:
    return f"the quote {quote} that begins the value is not closed; close the quote, or remove it"


def _looks_known(name: str, known: Collection[str]) -> bool:
    return bool(difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.8)) if name else False


def _warnings(path: Path, bindings: list[Binding], there: Collection[str]) -> Iterator[str]:
    lines: dict[str, int] = {}
    for binding in bindings:
        if binding.key is None:
            continue
        line = _line(binding)
        if binding.key in lines:
            first = lines[binding.key]
            yield f"{path}: {binding.key} stands in lines {first} and {line}; the last one counts."
        lines[binding.key] = line
        for atom in parse_variables(binding.value or ""):
            if isinstance(atom, Variable) and atom.default is None and atom.name not in there:
                yield (
                    f"{path}, line {line}: {binding.key} refers to ${{{atom.name}}}, which is not "
                    "set; nothing stands in its place."
                )


def _line(binding: Binding) -> int:
    """Return the line number of a binding's name, from 1. Empty lines may come before the name."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())]
    return binding.original.line + blank.count("\n")
