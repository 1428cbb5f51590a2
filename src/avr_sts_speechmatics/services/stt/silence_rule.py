"""When a turn is over, for recognisers that do not say so: after a silence, judged by words alone.

while     | when                                     | then
----------+------------------------------------------+---------------------------------------------
no words  | words arrive                             | wait for silence_s
words     | the words change                         | wait anew: the caller speaks on
words     | the same words arrive again              | nothing: the recogniser repeats itself
words     | silence_s of audio without other words   | the turn is over

Time is the audio sent to the recogniser: a connection that stands still ends no turn.
"""


class SilenceRule:
    """The rule for one session.

    silence_s: audio without other words after which the turn is over (s), including the time that
        the recogniser needs to report a word.
    """

    def __init__(self, silence_s: float) -> None:
        self._silence_s = silence_s
        self._words = ""
        self._due: float | None = None

    def words_heard(self, words: str, now: float) -> None:
        """Take the words of the turn so far.

        now: audio sent so far (s).
        """
        if words != self._words:
            self._words = words
            self._due = now + self._silence_s

    def is_over(self, now: float) -> bool:
        """Whether the turn is over. Without words there is no turn.

        now: audio sent so far (s).
        """
        return self._due is not None and now >= self._due

    def turn_ended(self) -> None:
        """Wait for the words of the next turn."""
        self._words, self._due = "", None
