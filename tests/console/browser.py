"""A real browser for the tests of the pages: Debian's Chromium, driven by Playwright.

Playwright downloads nothing: the program is the machine's own. Where there is none the tests are
skipped, except with CI set in the environment.
"""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def program() -> str:
    """Return the path of the browser."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        assert not os.environ.get("CI"), "install Debian's package chromium"
        pytest.skip("there is no Chromium on this machine")
    return found


@dataclass(slots=True)
class Window:
    """A window of the browser.

    page: the page it shows.
    faults: what the page complained about: errors, broken rules of the Content-Security-Policy.
    """

    page: Page
    faults: list[str] = field(default_factory=list)


@asynccontextmanager
async def window(
    *, microphone: Path | None = None, width: int = 1280, dark: bool = False
) -> AsyncIterator[Window]:
    """Open a window.

    microphone: WAV file that the microphone plays once; None for no microphone.
    width: of the window (CSS pixels).
    dark: whether the person likes dark pages.
    """
    flags = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
    if microphone is not None:
        flags += ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
        flags += [f"--use-file-for-fake-audio-capture={microphone}%noloop"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program(), args=flags)
        try:
            page = await browser.new_page(
                viewport={"width": width, "height": 800},
                color_scheme="dark" if dark else "light",
            )
            shown = Window(page)
            page.on("pageerror", lambda error: shown.faults.append(str(error)))
            page.on(
                "console",
                lambda said: shown.faults.append(said.text) if said.type == "error" else None,
            )
            yield shown
        finally:
            await browser.close()
