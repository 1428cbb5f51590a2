"""The moving line, which the lines that stay push aside."""

import shutil

import pytest
from tests.cli.test_progress import CLEARED, Terminal

from avr_sts_speechmatics.cli import moving_line
from avr_sts_speechmatics.cli.moving_line import MovingLine


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving_line, "STEP_S", 0.001)


async def test_the_line_shows_the_text_of_the_moment() -> None:
    terminal, text = Terminal(), "saying: 0.1 of 2.0 s"
    line = MovingLine(terminal, lambda: text)
    line.start()
    assert text in terminal.shown[-1]
    text = "the agent speaks"
    assert text in await terminal.next()
    line.clear()
    assert terminal.getvalue().endswith(CLEARED)
    assert text in await terminal.next()
    line.close()
    assert terminal.getvalue().endswith(CLEARED)


async def test_a_long_text_stays_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert shutil.get_terminal_size().columns == 40
    terminal = Terminal()
    line = MovingLine(terminal, lambda: "x" * 100)
    line.start()
    line.close()
    assert len(terminal.shown[0]) == 39


async def test_without_a_text_there_is_no_line() -> None:
    terminal = Terminal()
    line = MovingLine(terminal, lambda: "")
    line.start()
    line.close()
    assert set(terminal.shown) == {""}
