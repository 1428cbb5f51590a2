"""A line that moves for a person, and is not there for a machine."""

import asyncio
import io

import pytest

from avr_sts_speechmatics.cli import moving_line
from avr_sts_speechmatics.cli.progress import WIDTH, Progress

CLEARED = "\r\x1b[K"


class Terminal(io.StringIO):
    """Somebody watches. `moved` is set with each write."""

    def __init__(self) -> None:
        super().__init__()
        self.moved = asyncio.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.moved.set()
        return super().write(text)

    @property
    def shown(self) -> list[str]:
        """What stood on the line, one after the other."""
        return self.getvalue().split(CLEARED)[1:]

    async def next(self) -> str:
        self.moved.clear()
        async with asyncio.timeout(5):
            await self.moved.wait()
        return self.shown[-1]


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving_line, "STEP_S", 0.001)


@pytest.fixture
async def terminal() -> Terminal:
    return Terminal()


async def test_the_line_is_there_at_once_and_moves(terminal: Terminal) -> None:
    line = Progress(terminal)
    line.show("the voice", 1, 3)
    assert len(terminal.shown) == 1
    wheels = {terminal.shown[0][0]} | {(await terminal.next())[0] for _ in range(3)}
    line.close()
    assert wheels == set("|/-\\")


@pytest.mark.parametrize(
    ("done", "filled"), [(0, 0), (1, WIDTH // 3), (2, 2 * WIDTH // 3), (3, WIDTH)]
)
async def test_the_bar_shows_how_much_is_there(terminal: Terminal, done: int, filled: int) -> None:
    line = Progress(terminal)
    line.show("the voice", done, 3)
    line.close()
    assert f"[{'#' * filled}{' ' * (WIDTH - filled)}] loading the voice" in terminal.shown[0]


async def test_news_is_shown_with_the_next_turn_of_the_wheel(terminal: Terminal) -> None:
    line = Progress(terminal)
    line.show("stt", 0, 2)
    line.show("voice", 1, 2)
    assert "loading voice" in await terminal.next()
    line.close()


async def test_of_nothing_nothing_is_there(terminal: Terminal) -> None:
    line = Progress(terminal)
    line.show("something", 0, 0)
    line.close()
    assert "#" not in terminal.getvalue()


async def test_the_line_is_taken_away_and_stays_away(terminal: Terminal) -> None:
    line = Progress(terminal)
    line.show("stt", 0, 2)
    line.close()
    line.close()
    written = terminal.getvalue()
    assert written.endswith(CLEARED)
    assert terminal.shown.count("") == 1
    await asyncio.sleep(5 * moving_line.STEP_S)  # long enough for a wheel that was left turning
    assert terminal.getvalue() == written


async def test_nothing_shown_needs_no_cleaning(terminal: Terminal) -> None:
    Progress(terminal).close()
    assert terminal.getvalue() == ""


async def test_a_log_is_left_alone() -> None:
    log = io.StringIO()
    line = Progress(log)
    line.show("stt", 0, 2)
    line.close()
    assert log.getvalue() == ""
