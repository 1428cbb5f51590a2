"""Language packs: reads and checks the YAML file of a language.

Adding a language is one file beside this module; en.yaml explains its keys. The file is checked
when it is read: a key that is missing, unknown or of another type raises PackError. A language
without a file has no pack; the agents then warn about phrases that only the operator can write.
"""

from functools import lru_cache
from importlib import resources
from typing import Literal

import msgspec
import yaml


class PackError(Exception):
    """A language pack has a mistake. The message names the file and the key."""


class Receptionist(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sentences of the scripted receptionist.

    greeting: said first; {company} stands for the company's name.
    refusal: said where the FAQ has no answer.
    """

    greeting: str
    refusal: str


class Currency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A currency.

    signs: signs and names in texts, separated by spaces.
    one, many: the unit, for one and for several.
    cent, cents: the hundredth, for one and for several.
    gender: of the unit.
    """

    signs: str
    one: str
    many: str
    cent: str
    cents: str
    gender: Literal["masculine", "feminine"]


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How figures are said. The comments in de.yaml explain each value."""

    decimal: str
    plus: str
    minus: str
    to: str
    percent: str
    day: str
    day_is: Literal["ordinal", "first", "cardinal"]
    year: str
    before_years: tuple[str, ...]
    hour_is: Literal["masculine", "feminine"]
    hour_words: tuple[str, ...]
    hours: str
    one_hour: str
    minutes: str
    one_hour_minutes: str
    agreeing: str
    cents: str
    currencies: tuple[Currency, ...]


class LanguagePack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The texts of one language. The comments in en.yaml say when each text is heard.

    figures: how figures are said; None for English, which has rules of its own.
    """

    instructions: str
    disclosure: str
    recording_notice: str
    discloses: tuple[str, ...]
    welcome: str
    sorry: str
    wait: str
    farewell: str
    goodbye: str
    transferring: str
    prompts: tuple[str, ...]
    fillers: tuple[str, ...]
    warning: str
    nobody: str
    busy: str
    restarting: str
    receptionist: Receptionist
    backchannels: tuple[str, ...]
    weekdays: tuple[str, ...]
    months: tuple[str, ...]
    date: str
    figures: Figures | None = None


def base_language(language: str) -> str:
    """Return the language without its region: `en` for `en-GB` and `en_US`."""
    return language.lower().replace("_", "-").split("-")[0]


def pack_for(language: str) -> LanguagePack | None:
    """Return the pack of a language; None for a language without a pack.

    language: a code such as "de" or "de-AT"; a region has the pack of its language.
    """
    return _read(base_language(language))


@lru_cache(maxsize=64)
def _read(code: str) -> LanguagePack | None:
    file = resources.files(__package__).joinpath(f"{code}.yaml")
    if not code.isalpha() or not file.is_file():
        return None
    return parse_pack(f"{code}.yaml", file.read_text(encoding="utf-8"))


def parse_pack(name: str, text: str) -> LanguagePack:
    """Read and check a pack. Raises PackError.

    name: of the file, for errors.
    text: YAML, in which every value is text, a list or a mapping.
    """
    loader = yaml.BaseLoader(text)
    try:
        pack = msgspec.convert(loader.get_single_data(), LanguagePack)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise PackError(f"{name}: {error}") from error
    finally:
        loader.dispose()
    if (len(pack.weekdays), len(pack.months)) != (7, 12) or not (pack.prompts and pack.fillers):
        raise PackError(f"{name}: write 7 weekdays, 12 months, and prompts and fillers")
    return pack


ENGLISH = parse_pack(
    "en.yaml", resources.files(__package__).joinpath("en.yaml").read_text(encoding="utf-8")
)
"""The English pack. Read when this module is imported: its texts are defaults of settings."""
