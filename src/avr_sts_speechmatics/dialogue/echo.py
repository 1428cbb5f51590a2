"""Echo: separates the caller's words from words of the agent that the line returns.

A loudspeaker near the microphone, or a laptop without echo cancellation, brings the agent's words
back a moment later. A recogniser mishears a few of them. The words that were heard are therefore
aligned with the words that the agent has just said (local alignment, as for sequences of genes): an
equal word counts for an alignment, a different word against it. A long enough alignment is an echo,
including misheard words inside; the other words belong to the caller.

A caller also repeats words of the agent ("on Wednesday", "nine to five?"). A short alignment is
therefore no sure echo, except in a partial transcript, which may still change, and on a line that
is known to return the agent's voice.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

SURE = 5
"""Weight of the equal words that make an alignment an echo. A word of four letters or more weighs
2, a shorter word 1: "we are open" is too light, "we are open from" is an echo."""

MOST = 0.66
"""Share of heard words that match the agent's (0 to 1). From this share on, all heard words may be
the agent's."""

HALF = 0.5
"""Share that is enough on a line that is known, or suspected, to return the agent's voice (0 to 1).
On any line, this share is evidence of an echo."""

SAID_MAX = 80
"""Number of the agent's last words that are compared."""

HEARD_MAX = 60
"""Number of heard words that are compared; the rest are the caller's."""

# Languages that are written without blanks are compared sign by sign.
_TOKEN = re.compile(
    r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]|(?:(?![\u0e00-\u0eff\u3040-\u30ff"
    r"\u3400-\u9fff])[^\W_])+(?:['’]\w+)*"
)

_SIMILAR, _OTHER, _GAP = 1, -1, -1
"""Contribution to an alignment of a pair of similar words, a pair of other words, and a word
without a partner. Equal words add their weight."""


@dataclass(frozen=True, slots=True)
class _Echo:
    """A part of the words that were heard, and the part of the agent's words that it returns.

    begin: number of the part's first word among the heard words.
    end: number of the word after the part's last word.
    said_from: number of the first returned word among the agent's words.
    said_to: number of the word after the last returned word.
    weight: sum of the weights of the equal words.
    """

    begin: int
    end: int
    said_from: int
    said_to: int
    weight: int


@dataclass(frozen=True, slots=True)
class Compared:
    """Result of comparing heard words with the agent's words.

    text: the words that are the caller's; empty if all are the agent's.
    doubtful: `text` may be the agent's as well.
    evidence: 0, 1 or 2; strength of the evidence that the line returns the agent's voice.
    """

    text: str
    doubtful: bool = False
    evidence: int = 0


def without_echo(
    heard: str,
    said: Sequence[str],
    *,
    settled: bool,
    known: bool,
    suspected: bool = False,
) -> Compared:
    """Separate the caller's words from words of the agent that the line returns.

    heard: words as transcribed.
    said: the agent's current and recent utterances, oldest first.
    settled: the words will not change any more. Otherwise words that may be the beginning of an
        echo count as an echo, and a single other word beside an echo counts as misheard (two words
        if the line is known to echo).
    known: the line returns the agent's voice.
    suspected: words before these may have been an echo, or the sound began right after the agent
        had begun to speak: a caller would not repeat the agent's first words, an echo does.
    """
    found = list(_TOKEN.finditer(heard))
    words = [match[0].lower() for match in found[:HEARD_MAX]]
    theirs = [word.lower() for text in said for word in _TOKEN.findall(text)][-SAID_MAX:]
    mine = _left(words, theirs)
    if len(mine) == len(words):
        return _few(heard, words, theirs, settled=settled, known=known, suspected=suspected)
    if not settled and len(words) == len(found) and len(mine) <= (2 if known else 1):
        return Compared("", evidence=2)
    # One word before an echo is a misheard word; after an echo, the caller may say "stop".
    last = -1 if known else len(words) - 1
    kept = [at for at in sorted(mine) if at == last or at - 1 in mine or at + 1 in mine]
    kept += range(len(words), len(found))
    return Compared(" ".join(_text(heard, found, at) for at in kept), evidence=2)


def _few(
    heard: str,
    words: list[str],
    theirs: list[str],
    *,
    settled: bool,
    known: bool,
    suspected: bool,
) -> Compared:
    """Compare words too few, or too different, to be an echo for sure."""
    echo = _longest(words, theirs)
    if echo is None or len(words) == HEARD_MAX:
        return Compared(heard)
    begin = max(0, echo.said_from - echo.begin - 2)
    near = theirs[begin : echo.said_to + len(words) - echo.end + 2]
    share = _common(words, near) / len(words)
    whole = share == 1
    likely = share >= HALF and (whole or len(words) > 2 or not settled)
    mostly = len(words) > 2 and share >= MOST
    # A caller's own request may share its small words with the agent: "How can I pay?" and "How
    # can I help you?".
    if (known and likely) or (suspected and (whole or (mostly and echo.weight > 3))):
        evidence = 2 if echo.weight > 2 else 1
        return Compared("", evidence=evidence if settled else 0)
    if not settled:
        return Compared("" if whole or mostly else heard)
    doubtful = len(words) > 1 and (whole or mostly)
    return Compared(heard, doubtful, evidence=int(share >= HALF))


def _text(heard: str, found: list[re.Match[str]], at: int) -> str:
    """Return a word with the punctuation after the word."""
    end = found[at + 1].start() if at + 1 < len(found) else len(heard)
    return heard[found[at].start() : end].strip()


def _left(
    words: list[str],
    theirs: list[str],
    first: int = 0,
    *,
    after_echo: bool = False,
    before_echo: bool = False,
) -> set[int]:
    """Return the numbers of the words that are no echo.

    theirs: words of the agent that may be returned here: an echo keeps their order.
    first: number of the first word.
    after_echo: a sure echo ends right before the words.
    before_echo: a sure echo begins right after the words.
    """
    echo = _longest(words, theirs)
    if echo is not None and echo.weight >= SURE:
        begin, end = echo.begin, echo.end
        before = theirs[: echo.said_from]
        return _left(words[:begin], before, first, after_echo=after_echo, before_echo=True) | _left(
            words[end:],
            theirs[echo.said_to :],
            first + end,
            after_echo=True,
            before_echo=before_echo,
        )
    if after_echo and before_echo:
        misheard = 0 < len(theirs) >= len(words) - 1
    elif after_echo:
        misheard = 2 * _common(words, theirs[: len(words) + 2]) >= len(words)
    else:
        misheard = before_echo and 2 * _common(words, theirs[-len(words) - 2 :]) >= len(words)
    return set() if misheard else set(range(first, first + len(words)))


def _common(words: list[str], theirs: list[str]) -> int:
    """Return how many of the words are among those of the agent, in order."""
    blocks = SequenceMatcher(None, words, theirs, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks)


def _longest(words: list[str], theirs: list[str]) -> _Echo | None:
    """Return the best local alignment of `words` with a part of `theirs`, or None."""
    if not set(words) & set(theirs):
        return None
    best, end = 0, (0, 0)
    scores = [[0] * (len(theirs) + 1) for _ in range(len(words) + 1)]
    for i, word in enumerate(words, 1):
        above, row = scores[i - 1], scores[i]
        for j, other in enumerate(theirs, 1):
            score = max(
                0, above[j - 1] + _likeness(word, other), above[j] + _GAP, row[j - 1] + _GAP
            )
            row[j] = score
            latest = score == best and i == end[0] and word == other  # of equal alignments
            if score > best or latest:
                best, end = score, (i, j)
    i, j = last, behind = end
    weight = 0
    while scores[i][j]:
        likeness = _likeness(words[i - 1], theirs[j - 1])
        if scores[i][j] == scores[i - 1][j - 1] + likeness:
            i, j = i - 1, j - 1
            weight += likeness if words[i] == theirs[j] else 0
        elif scores[i][j] == scores[i - 1][j] + _GAP:
            i -= 1
        else:
            j -= 1
    # A word of the agent may be misheard as two.
    if _similar("".join(words[last : last + 2]), "".join(theirs[behind : behind + 1])):
        last += 2
    return _Echo(i, min(last, len(words)), j, behind, weight) if last else None


def _weight(word: str) -> int:
    return 2 if len(word) > 3 else 1


def _likeness(word: str, other: str) -> int:
    if word == other:
        return _weight(word)
    return _SIMILAR if _similar(word, other) else _OTHER


@lru_cache(8192)
def _similar(word: str, other: str) -> bool:
    """Whether one word may be the other one, misheard."""
    if not (word and other) or abs(len(word) - len(other)) > 3:
        return False
    ratio = SequenceMatcher(None, word, other, autojunk=False).ratio()
    if min(len(word), len(other)) > 3:
        return ratio >= 0.6
    return ratio >= 0.5 and word[0] == other[0]
