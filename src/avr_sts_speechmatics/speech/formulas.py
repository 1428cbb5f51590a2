"""Formulas: LaTeX as a language-neutral line of signs, such as "x² ÷ 2 ≤ 5".

`signs` of English read the signs aloud; other languages leave them to their voice.
"""

import re

_SIGNS = {
    **dict.fromkeys(("times", "cdot", "ast"), "×"),
    **dict.fromkeys(("le", "leq", "leqslant"), "≤"),
    **dict.fromkeys(("ge", "geq", "geqslant"), "≥"),
    **dict.fromkeys(("ne", "neq"), "≠"),
    **dict.fromkeys(("approx", "simeq", "sim"), "≈"),
    **dict.fromkeys(("ldots", "cdots", "dots"), "…"),
    **dict.fromkeys(("circ", "degree"), "°"),
    "div": "÷",
    "pm": "±",
    "infty": "∞",
    "lt": "<",
    "gt": ">",
    "sqrt": "√",
    "to": ",",
    "rightarrow": ",",
    "Rightarrow": ",",
    "implies": ",",
}
_WITHOUT_SOUND = frozenset(
    "left right big Big quad qquad displaystyle begin end boxed hline text mathrm mathbf mathit "
    "textbf textit emph underline operatorname mathbb mathcal".split()
)

_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{[^{}]*\}")
_COMMAND = re.compile(r"\\([A-Za-z]+)\*?")
_NUMBER = re.compile(r"\s*\d{1,3}\s*")
_DEEPEST = 8


def formula(text: str) -> str:
    """Return the signs of a formula.

    text: LaTeX without the delimiters.
    """
    text = _ENVIRONMENT.sub(" ", text)
    for _ in range(_DEEPEST):  # from the inside out
        text, changed = _FRACTION.subn(_fraction, text)
        if not changed:
            break
    text = re.sub(r"\^\s*(?:\{\s*)?(?:\\circ|\\degree)\s*\}?", "°", text)
    text = text.replace("\\\\", ", ")
    text = re.sub(r"\\([%$&#_{}])", r"\1", text)
    text = re.sub(r"\\[,;:! ]", " ", text)
    text = _COMMAND.sub(_command, text)
    text = re.sub(r"\^\s*(?:\{\s*2\s*\}|2)(?!\d)", "²", text)
    text = re.sub(r"\^\s*(?:\{\s*3\s*\}|3)(?!\d)", "³", text)
    text = re.sub(r"_\s*(?=[{\w])", " ", text)
    return re.sub(r"[{}\\]", "", text).replace("&", " ")


def _fraction(found: re.Match[str]) -> str:
    above, below = found.groups()
    if _NUMBER.fullmatch(above) and _NUMBER.fullmatch(below):
        return f"{above.strip()}/{below.strip()}"
    return f"{above} ÷ {below}"


def _command(found: re.Match[str]) -> str:
    name = found[1]
    if name in _SIGNS:
        sign = _SIGNS[name]
        return sign if sign in "√°" else f" {sign} "
    return " " if name in _WITHOUT_SOUND else f" {name} "
