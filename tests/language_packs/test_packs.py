"""Language packs: every language has every text, and none of them is English."""

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.language_packs.english_words import english_words

from avr_sts_speechmatics import language_packs
from avr_sts_speechmatics.language_packs import ENGLISH, LanguagePack, base_language, pack_for
from avr_sts_speechmatics.language_packs.packs import PackError, parse_pack
from avr_sts_speechmatics.settings import checks
from avr_sts_speechmatics.speech.sentences import sentences_of

FOLDER = Path(str(resources.files(language_packs)))
CODES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
OTHERS = [code for code in CODES if code != "en"]


def pack_of(code: str) -> LanguagePack:
    pack = pack_for(code)
    assert pack is not None
    return pack


def texts_of(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a pack that is heard or told, with its key."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, one in value.items():
            if name not in NOT_SAID:
                yield from texts_of(one, f"{key}.{name}".strip("."))
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from texts_of(one, key)


def spoken_texts(code: str) -> list[tuple[str, str]]:
    return list(texts_of(msgspec.to_builtins(pack_of(code))))


NOT_SAID = {
    "agreeing",
    "discloses",
    "day_is",
    "hour_is",
    "gender",
    "signs",
    "hour_words",
    "before_years",
}
"""Keys whose values are rules, or words that a text has already."""

# Words of other languages that English happens to have.
TRUE_FRIENDS = {
    "de": frozenset({"die"}),
    "nl": frozenset({"of"}),
}


def test_the_languages_of_the_service_have_packs() -> None:
    assert {"en", "de", "it", "fr", "es", "pt", "nl"} <= set(CODES)


def test_a_region_has_the_pack_of_its_language() -> None:
    assert pack_for("de-AT") is pack_for("de_CH") is pack_for("DE") is pack_of("de")
    assert pack_for("es-419") is pack_of("es")
    assert pack_for("en_ta") == ENGLISH
    assert base_language("pt_BR") == "pt"


@pytest.mark.parametrize("code", ["tlh", "cmn", "ar", "", "../en", "x.y", "packs"])
def test_another_language_has_no_pack(code: str) -> None:
    assert pack_for(code) is None


@pytest.mark.parametrize("code", OTHERS)
def test_a_pack_has_every_text_and_no_english_word(code: str) -> None:
    keys = {key for key, _ in spoken_texts("en")}
    assert keys <= {key for key, text in spoken_texts(code) if text.strip()}
    friends = TRUE_FRIENDS.get(code, frozenset())
    for key, text in spoken_texts(code):
        if key != "backchannels" and not key.startswith("figures.currencies"):
            assert not english_words(text, also=friends), key
    english = {text for _, text in spoken_texts("en") if " " in text}
    same = english & {text for _, text in spoken_texts(code)}
    assert same <= {"{day} {month}"}


@pytest.mark.parametrize("code", OTHERS)
def test_a_text_has_the_placeholders_of_the_english_text(code: str) -> None:
    def names(text: str) -> set[str]:
        return set(re.findall(r"\{(.*?)\}", text))

    english = dict(spoken_texts("en"))
    for key, text in spoken_texts(code):
        if key in english:
            assert names(text) == names(english[key]), key


@pytest.mark.parametrize("code", OTHERS)
def test_a_text_is_about_as_long_as_the_english_text(code: str) -> None:
    english = dict(spoken_texts("en"))
    for key, text in spoken_texts(code):
        if len(english.get(key, "")) > 20:
            assert 0.4 <= len(text) / len(english[key]) <= 2.2, key


@pytest.mark.parametrize("code", CODES)
def test_texts_can_be_spoken(code: str) -> None:
    for key, text in spoken_texts(code):
        assert text == " ".join(text.split()), key
        if not key.startswith("figures"):
            assert not re.search(r"[*_#<>|@&%$€/\\\[\]()]|\d", text), key
    pack = pack_of(code)
    said = [
        pack.disclosure,
        pack.recording_notice,
        pack.welcome,
        pack.sorry,
        pack.wait,
        pack.farewell,
        pack.goodbye,
        pack.transferring,
    ]
    said += [pack.disclosure, pack.recording_notice]
    said += [*pack.prompts, *pack.fillers, pack.warning, pack.nobody, pack.busy, pack.restarting]
    for text in said:
        assert text[-1] in ".?!"
        # Each piece is cached and spoken by itself: no piece ends in the middle of a clause.
        assert all(one.strip()[-1] in ".?!," for one in sentences_of(text, code)), text
    for filler in pack.fillers:
        assert len(sentences_of(filler, code)) == 1, "a filler is played as one cached sentence"


@pytest.mark.parametrize("code", CODES)
def test_backchannels_have_the_form_in_which_they_are_compared(code: str) -> None:
    backchannels = pack_of(code).backchannels
    assert checks.phrases(",".join(backchannels)) == backchannels
    assert {"mhm", "hm", "ok"} <= set(backchannels)


@pytest.mark.parametrize("code", OTHERS)
def test_every_other_language_says_figures(code: str) -> None:
    assert pack_of(code).figures is not None


ENGLISH_FILE = (FOLDER / "en.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("wait: One", "wiat: One", "wiat"),
        ("wait: One moment, please.", "", "wait"),
        ("welcome: Hello, how can I help you?", "welcome: [Hello]", "welcome"),
        ("[Monday, Tuesday,", "[Monday,", "7 weekdays"),
        ("date:", "date: [", "en.yaml"),
    ],
)
def test_a_mistake_in_a_pack_is_named(old: str, new: str, error: str) -> None:
    assert old in ENGLISH_FILE
    with pytest.raises(PackError, match=error) as caught:
        parse_pack("en.yaml", ENGLISH_FILE.replace(old, new))
    assert str(caught.value).startswith("en.yaml: ")


def test_yaml_takes_no_word_for_a_truth_value() -> None:
    pack = parse_pack("no.yaml", ENGLISH_FILE.replace("[mhm,", "[no, yes, mhm,"))
    assert pack.backchannels[:2] == ("no", "yes")
