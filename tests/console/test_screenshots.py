"""The pictures of the pages: `make screenshots` takes them into docs/pages."""

import os
from pathlib import Path

import pytest
from playwright.async_api import expect
from tests.console.browser import window
from tests.console.service_with_calls import service_with_calls
from tests.support import Serve

LARGEST_BYTES = 120_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("AVR_SCREENSHOTS") or tmp_path / "pages")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def test_each_page_has_a_picture_and_none_is_large(
    serve: Serve, tmp_path: Path, folder: Path
) -> None:
    async with (
        service_with_calls(serve, tmp_path / "data", history="recordings") as service,
        window(width=960) as shown,
    ):
        page = shown.page
        await page.set_viewport_size({"width": 960, "height": 640})
        for path in service.pages:
            await page.goto(f"{service.base}#/{path}")
            await expect(page.get_by_role("heading", level=1)).to_be_visible()
            if path == "talk":
                await page.get_by_role("button", name="Call in writing").click()
                await page.get_by_label("Write to the agent").fill("What are your opening hours?")
                await page.keyboard.press("Enter")
                await expect(page.get_by_text("answered after")).to_be_visible()
            if path.startswith("call/"):
                await expect(page.locator("path.wave")).to_have_count(2)
            picture = folder / f"{path.partition('/')[0]}.png"
            await page.screenshot(path=picture)
            assert 5_000 < picture.stat().st_size < LARGEST_BYTES
    assert shown.faults == []
