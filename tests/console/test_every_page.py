"""What holds for every page: assistive technology, narrow windows, dark and light, no error."""

import re
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect
from tests.console.browser import window
from tests.console.service_with_calls import service_with_calls
from tests.support import Serve

SERIOUS = ("serious", "critical")


async def _opened(page: Page, base: str, path: str) -> None:
    await page.goto(f"{base}#/{path}")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await expect(page.get_by_text("Loading …")).to_have_count(0)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_nothing_serious_is_found_by_axe(serve: Serve, tmp_path: Path, dark: bool) -> None:
    async with service_with_calls(serve, tmp_path) as service, window(dark=dark) as shown:
        # axe needs `eval`, which the page forbids: the rule is checked elsewhere.
        await shown.page.context.route("**/*", _without_policy)
        for path in service.pages:
            await _opened(shown.page, service.base, path)
            found = await Axe().run(shown.page)
            serious = [one for one in found.response["violations"] if one["impact"] in SERIOUS]
            assert not serious, (path, [(one["id"], one["nodes"][0]["html"]) for one in serious])


async def test_every_page_fits_a_narrow_window_and_tells_no_error(
    serve: Serve, tmp_path: Path
) -> None:
    async with service_with_calls(serve, tmp_path) as service, window(width=360) as shown:
        for path in service.pages:
            await _opened(shown.page, service.base, path)
            wide = await shown.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 360, path
            assert await shown.page.title()
    assert shown.faults == []


async def test_every_page_is_reached_by_keyboard(serve: Serve, tmp_path: Path) -> None:
    async with service_with_calls(serve, tmp_path) as service, window() as shown:
        page = shown.page
        await page.goto(service.base)
        for name in ("Live", "Calls", "Service", "Talk"):
            link = page.get_by_role("link", name=name, exact=True)
            for _ in range(12):
                if await link.evaluate("link => link === document.activeElement"):
                    break
                await page.keyboard.press("Tab")
            await expect(link).to_be_focused()
            await page.keyboard.press("Enter")
            await expect(link).to_have_attribute("aria-current", "page")
            await expect(page).to_have_title(re.compile(r".+ – avr-sts-speechmatics"))
            await page.evaluate("document.activeElement.blur()")


async def _without_policy(route: object) -> None:
    response = await route.fetch()  # type: ignore[attr-defined]
    headers = {k: v for k, v in response.headers.items() if k != "content-security-policy"}
    await route.fulfill(response=response, headers=headers)  # type: ignore[attr-defined]
