"""Words as the dialogue compares and counts them. Pure functions on text."""

from collections.abc import Iterable


def plain(text: str) -> str:
    """The words of `text` in lower case, without punctuation, one space between them.

    Recognisers settle punctuation and capitals later than words.
    """
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def has_words(text: str) -> bool:
    """Whether `text` has any letter or digit."""
    return any(c.isalnum() for c in text)


def count_words(texts: Iterable[str], backchannels: Iterable[str]) -> int:
    """Count the words of `texts` that are no backchannels.

    backchannels: phrases in lower case without punctuation, such as "uh huh".
    """
    kept = (c if c.isalnum() else " " for c in " ".join(texts).lower().replace("'", ""))
    counted = f" {' '.join(''.join(kept).split())} "
    for backchannel in backchannels:
        while f" {backchannel} " in counted:
            counted = counted.replace(f" {backchannel} ", " ")
    return len(counted.split())
