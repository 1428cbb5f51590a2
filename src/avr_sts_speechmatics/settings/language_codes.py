"""Languages of Speechmatics' STT: the code that an operator meant by a name or another code.

The list of languages belongs to Speechmatics and grows, so a code that is not in the list is not an
error. A text is rejected only if it is certainly no code of Speechmatics; the error then names the
right code.
[Agent STT reference, 5]
"""

import re

_NAMES = {
    "ar": "arabic العربية ar-sa",
    "ba": "bashkir",
    "be": "belarusian",
    "bg": "bulgarian български",
    "bn": "bengali",
    "ca": "catalan català",
    "cmn": "mandarin chinese 中文 zh zho chi cn zh-cn",
    "cs": "czech čeština cz cze ces",
    "cy": "welsh cymraeg",
    "da": "danish dansk dk dan",
    "de": "german deutsch ger deu at",
    "el": "greek ελληνικά gr gre ell",
    "en": "english eng us gb usa",
    "eo": "esperanto",
    "es": "spanish español espanol castellano spa mx",
    "et": "estonian eesti est",
    "eu": "basque euskara",
    "fa": "persian farsi",
    "fi": "finnish suomi fin",
    "fr": "french français francais fra fre",
    "ga": "irish gaeilge",
    "gl": "galician galego",
    "he": "hebrew עברית iw heb",
    "hi": "hindi हिन्दी hin",
    "hr": "croatian hrvatski hrv",
    "hu": "hungarian magyar hun",
    "id": "indonesian ind",
    "it": "italian italiano ita",
    "ja": "japanese 日本語 jp jpn",
    "ko": "korean 한국어 kr kor",
    "lt": "lithuanian lietuvių lit",
    "lv": "latvian latviešu lav",
    "mn": "mongolian",
    "mr": "marathi",
    "ms": "malay melayu",
    "mt": "maltese malti",
    "nl": "dutch nederlands flemish nld dut",
    "no": "norwegian norsk nb nn nor",
    "pl": "polish polski pol",
    "pt": "portuguese português portugues por br",
    "ro": "romanian română romana ron rum",
    "ru": "russian русский rus",
    "sk": "slovak slovenčina slk slo",
    "sl": "slovenian slovene slovenščina si slv",
    "sv": "swedish svenska se swe",
    "sw": "swahili kiswahili",
    "ta": "tamil தமிழ்",
    "th": "thai ไทย tha",
    "tl": "tagalog filipino",
    "tr": "turkish türkçe turkce tur",
    "ug": "uyghur",
    "uk": "ukrainian українська ua ukr",
    "ur": "urdu اردو",
    "vi": "vietnamese vn vie",
    "yue": "cantonese 粵語 zh-hk",
}
"""Codes, and for each the names and the other codes that people write for the language."""

_CODES = {name: code for code, names in _NAMES.items() for name in names.split()}


def code_meant(text: str) -> str | None:
    """Return the code that an operator meant by a text; None if the text may be a code itself.

    text: a name of a language, another standard's code, or a locale such as `de_DE.UTF-8`.
    """
    lower = text.strip().lower()
    if lower in _CODES:
        return _CODES[lower]
    # A locale: de-DE, de_DE.UTF-8. Speechmatics writes pairs of languages with _, such as en_ta.
    first, *rest = re.split(r"[-. @]", lower)
    language, _, region = first.partition("_")
    if rest or (region and text.strip().rpartition("_")[2].isupper()):
        return language if language in _NAMES else _CODES.get(language)
    return None
