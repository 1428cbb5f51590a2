"""The documentation as a site: `make docs` builds it with Sphinx, strictly.

A broken link or anchor is a warning of Sphinx and MyST, and `make docs` turns warnings into errors.
The pages load nothing from other servers, no font, script or picture; `only_own_files` checks that.
"""

import re
import tomllib
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.logging import getLogger

_HERE = Path(__file__).parent
_PROJECT = tomllib.loads((_HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = _PROJECT["name"]
version = release = _PROJECT["version"]
html_title = project

extensions = ["myst_parser"]
exclude_patterns = ["_tools"]
# GitHub shows the same pages: links to headings work on both.
myst_heading_anchors = 3
# A block without a language is a command or a dialplan, not Python.
highlight_language = "none"

html_theme = "furo"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False

_log = getLogger(__name__)

_LOADED = re.compile(
    r"<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^\"'> ]+"
    r"|<link\b[^>]*\bhref=[\"']?(?:https?:)?//[^\"'> ]+"
    r"|@import\s+(?:url\()?[\"']?(?:https?:)?//[^\"') ]+"
    r"|url\([\"']?(?:https?:)?//[^\"') ]+"
)


def only_own_files(app: Sphinx, failed: Exception | None) -> None:
    """Warn of every page, style sheet or drawing that loads something from another server."""
    if failed is not None:
        return
    for file in sorted(Path(app.outdir).rglob("*")):
        if file.suffix in (".html", ".css", ".svg"):
            for found in _LOADED.findall(file.read_text(encoding="utf-8")):
                _log.warning("%s loads from another server: %s", file.name, found)


def setup(app: Sphinx) -> None:
    app.connect("build-finished", only_own_files)
