"""The tables in docs/settings.md, as Markdown, made from the declarations."""

from collections.abc import Iterator, Mapping

from avr_sts_speechmatics.settings.declaration import Declaration, declarations
from avr_sts_speechmatics.settings.settings import DECLARATIONS, TOPICS

_HEAD = ("", "| variable | default | description |", "|---|---|---|")


def table() -> str:
    """All tables: first the settings that most operators set, then all settings by topic.

    A * marks each setting that is part of an agent's manners: an agent file may set it.
    """
    common = {name: one for name, one in DECLARATIONS.items() if one.common}
    lines = ["## The ten that most people set", *_rows(common), "", "## All settings, by topic"]
    for heading, topic in TOPICS.items():
        lines += ["", f"### {heading}", *_rows(declarations(topic))]
    return "\n".join(lines) + "\n"


def _rows(settings: Mapping[str, Declaration]) -> Iterator[str]:
    yield from _HEAD
    for name, declaration in settings.items():
        about = declaration.about
        if declaration.also:
            about += f" Also read from {', '.join(f'`{other}`' for other in declaration.also)}."
        mark = "" if declaration.manner is None else " *"
        yield f"| `{name.upper()}`{mark} | {_default(declaration)} | {about} |"


def _default(declaration: Declaration) -> str:
    if declaration.default_text is not None:
        return declaration.default_text
    return "none" if declaration.default is None else f"`{_plain(declaration.default)}`"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
