"""From Talk to Calls to one call: it is found, heard, and each wait is explained."""

import asyncio
import re
from pathlib import Path

from playwright.async_api import expect
from tests.console.browser import window
from tests.console.kept import call_row
from tests.console.service_with_calls import ANSWER, QUESTION, service_with_calls
from tests.support import Serve

from avr_sts_speechmatics.network.database_address import sqlite_file
from avr_sts_speechmatics.records.database import Database
from avr_sts_speechmatics.records.tables import calls, turns


async def test_a_call_of_the_page_is_found_heard_and_explained(
    serve: Serve, tmp_path: Path
) -> None:
    async with (
        service_with_calls(serve, tmp_path, history="recordings") as service,
        window() as shown,
    ):
        page = shown.page
        await page.goto(service.base)
        await page.get_by_label("Facts of the call").fill("from=+49301112233")
        await page.get_by_role("button", name="Call in writing").click()
        await page.get_by_label("Write to the agent").fill(QUESTION)
        await page.keyboard.press("Enter")
        said = page.get_by_role("list", name="What is said")
        told = said.get_by_text(re.compile(r"answered after \d+ ms"))
        await expect(told).to_be_visible()
        measured = int(re.findall(r"\d+", await told.inner_text())[0])
        await page.get_by_role("button", name="Hang up").click()
        await expect(page.get_by_role("status")).to_have_text("You hung up.")

        found = page.get_by_role("row").filter(has_text="+49301112233")
        async with asyncio.timeout(20):  # it is written within a second of its end
            while True:
                await page.goto(f"{service.base}#/live")
                await page.goto(f"{service.base}#/calls?number=2233")
                await expect(page.get_by_role("heading", name="Calls")).to_be_visible()
                if await found.filter(has_text="hung up").count():
                    break
        await found.get_by_role("link").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("+49301112233")
        await expect(page.locator("path.wave")).to_have_count(2)
        await expect(page.get_by_text(ANSWER)).to_be_visible()
        line = await page.get_by_text(re.compile(r"answered after \d+ ms:")).inner_text()
        whole, *parts = (int(number) for number in re.findall(r"\d+", line))
        assert whole == measured
        assert abs(sum(parts) - whole) <= len(parts)  # each is rounded
        await page.evaluate("document.querySelector('audio').play()")
        async with asyncio.timeout(10):
            while not await page.evaluate("document.querySelector('audio').currentTime > 0.5"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        marker = page.locator("line.marker")
        assert float(await marker.get_attribute("x1") or 0) > 0
    assert shown.faults == []


async def test_ten_thousand_calls_and_a_call_of_an_hour_stay_usable(
    serve: Serve, tmp_path: Path
) -> None:
    async with service_with_calls(serve, tmp_path) as service, window() as shown:
        database = Database(sqlite_file(tmp_path / "calls.db"))
        await database.open()
        async with database.writing() as connection:
            rows = [call_row(number) for number in range(10_000)]
            await connection.execute(calls.insert(), rows)
            spoken = [
                {
                    "call": rows[-1]["key"],
                    "number": number,
                    "at_ms": 4000 * number,
                    "until_ms": 4000 * number + 3000,
                    "speaker": "caller" if number % 2 else "agent",
                    "kind": "words",
                    "said": f"Sentence {number} of a long call.",
                    "interrupted": False,
                }
                for number in range(1, 900)
            ]
            await connection.execute(turns.insert(), spoken)
        await database.close()
        page = shown.page
        await page.goto(f"{service.base}#/calls?number=09999")
        await page.get_by_role("row").filter(has_text="09999").get_by_role("link").click()
        await expect(page.get_by_text("Sentence 899 of a long call.")).to_be_attached()
        await page.goto(f"{service.base}#/calls")
        for _ in range(3):
            first = await page.get_by_role("row").nth(1).inner_text()
            await page.get_by_role("link", name="Older calls").click()
            await expect(page.get_by_role("row").nth(1)).not_to_have_text(first)
            assert await page.get_by_role("row").count() == 51
    assert shown.faults == []
