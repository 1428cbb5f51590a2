"""Where markup is closed, as far as the text is known."""

from avr_sts_speechmatics.speech.markup_reader import MarkupReader, Step


class Reader(MarkupReader):
    """Reads a text that is there at once."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._held = text

    def until(self, end: str, limit: int = 20) -> int | None:
        return self._until(end, 0, limit)

    def closing(self, limit: int = 20) -> int | None:
        return self._closing(1, "(", ")", limit)


def test_an_end_is_found_on_the_line_or_not_there_or_not_known_yet() -> None:
    assert Reader("word* more").until("*") == 4
    assert Reader("word\nmore*").until("*") == -1
    assert Reader("word").until("*") is None
    assert Reader("word word word word*").until("*", limit=10) == -1


def test_brackets_are_closed_where_all_that_were_opened_are() -> None:
    assert Reader("(a(b)c) d").closing() == 6
    assert Reader("(a(b)c").closing() is None
    assert Reader("(a(b)\n)").closing() == -1
    assert Reader("(" + "a" * 30).closing() == -1


def test_a_step_says_nothing_unless_words_are_given() -> None:
    assert Step(3) == (3, "")
