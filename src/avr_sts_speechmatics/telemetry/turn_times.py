"""Where the time of a turn went: from the caller's last sound to the agent's first.

All moments are monotonic seconds; what has not happened is None. `stopped` is the recogniser's word
for when the caller stopped speaking, put on our clock by the audio that had come by then.
"""

import time
from dataclasses import dataclass


@dataclass(slots=True)
class TurnTimes:
    """One answer of the agent and the turn it answers.

    asked: the model was; before `confirmed`, if it was asked ahead. stopped: the caller stopped
    speaking. confirmed: the turn was over. first_token, first_clause, first_audio: of the model, of
    what could be spoken, of the voice. first_frame: left for the caller.
    requests: to the model for this turn, those that came to nothing included.
    words_said: sent to the voice. words_heard: played, as far as the clock knows.
    """

    asked: float
    stopped: float | None = None
    confirmed: float | None = None
    first_token: float | None = None
    first_clause: float | None = None
    first_audio: float | None = None
    first_frame: float | None = None
    requests: int = 1
    words_said: int = 0
    words_heard: int = 0
    interrupted: bool = False

    def token(self) -> None:
        if self.first_token is None:
            self.first_token = time.monotonic()

    def clause(self) -> None:
        if self.first_clause is None:
            self.first_clause = time.monotonic()

    def audio(self) -> None:
        if self.first_audio is None:
            self.first_audio = time.monotonic()

    def frame(self, at: float | None) -> None:
        if self.first_frame is None:
            self.first_frame = at

    def as_dict(self) -> dict[str, int | bool | None]:
        """For a log line: each wait in whole ms, None for what did not happen."""
        return {
            "voice_to_voice_ms": _ms(self.stopped, self.first_frame),
            "confirm_ms": _ms(self.stopped, self.confirmed),
            "ahead_ms": _ms(self.asked, self.confirmed),
            "model_ms": _ms(self.confirmed, self.first_token),
            "clause_ms": _ms(self.first_token, self.first_clause),
            "voice_ms": _ms(self.first_clause, self.first_audio),
            "frame_ms": _ms(self.first_audio, self.first_frame),
            "requests": self.requests,
            "interrupted": self.interrupted,
            "words_said": self.words_said,
            "words_heard": self.words_heard,
        }


def _ms(begin: float | None, end: float | None) -> int | None:
    return None if begin is None or end is None else round((end - begin) * 1000)
