"""Mail and web addresses aloud: "a dot b at example dot com"."""

import re

from avr_sts_speechmatics.speech.number_words import cardinal, digits
from avr_sts_speechmatics.speech.reading_rule import rules, saying

_ADDRESS_SIGNS = {".": "dot", "@": "at", "-": "dash", "_": "underscore", "+": "plus", "/": "slash"}
_TOP = (
    r"(?:com|org|net|edu|gov|mil|info|biz|io|ai|app|dev|eu|uk|us|de|fr|nl|ie|ca|au|nz|ch|es|pt|pl|cz"
    r"|dk|fi|jp|cn|kr|br|mx|co|tv|shop|store|online|tech|cloud|health|care|clinic|bank|club|travel"
    r"|hotel|restaurant|cafe|pizza|agency|xyz|site|website|example|test)"
)
_MAIL = r"[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}\w{2,24}"
_SITE = rf"(?<![\w@.-])(?:[\w-]{{1,63}}\.){{1,8}}{_TOP}\b(?:/[\w./-]*\w)?(?!\.?\w)"


def _address(found: re.Match[str]) -> str:
    words = []
    for part in re.findall(r"\d+|[.@_+/-]|[^\d.@_+/-]+", found[0]):
        if part.isdecimal():
            words.append(cardinal(part) if len(part) < 3 else digits(part))
        else:
            words.append(_ADDRESS_SIGNS.get(part, part))
    return " ".join(words)


WEB_ADDRESSES = rules(
    (r"^\.(?=[^\W\d_])", saying("dot ")),  # the rest of an address that was begun before
    (_MAIL, _address),
    (_SITE, _address),
)
