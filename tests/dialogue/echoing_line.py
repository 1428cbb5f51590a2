"""A line that returns the agent's voice, in virtual time, for tests of the dialogue.

The recogniser reports as a real one does: a sound begins and ends a moment after it did, a partial
comes with each word, the final and the end of the turn after a pause. It mishears some words.
"""

import random
from dataclasses import dataclass, field

from tests.dialogue.simulated_call import WORD_S, SimulatedCall

from avr_sts_speechmatics.dialogue import events as ev

STEP_S = 0.05
DELAY_S = 0.2
"""How long the line takes to return a sound (s)."""

NOTICED_S = 0.2
"""How long the recogniser takes to report a sound (s)."""

PAUSE_S = 0.6
"""Silence that ends a turn (s)."""

MISHEARD = ("the", "mine", "weak", "offer", "tree", "wine", "guess")


@dataclass
class EchoingLine:
    """Lets time pass in a call and returns every word of the agent.

    misheard: share of the words that come back as other words, 0 to 1.
    """

    call: SimulatedCall
    misheard: float = 0.0
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    _played: dict[int, int] = field(default_factory=dict)
    _due: list[tuple[float, str]] = field(default_factory=list)
    _turn: list[str] = field(default_factory=list)
    _last: float = -1.0
    _sounding: bool = False

    @property
    def silent(self) -> bool:
        """Whether nobody speaks: the agent has finished, and nothing comes back any more."""
        call = self.call
        return call.reply is None and call.held is None and not self._turn and not self._due

    def passes(self, seconds: float) -> None:
        call = self.call
        until = call.now + seconds
        while call.now < until and call.ended is None:
            call.passes(STEP_S)
            if call.held is None:
                call.voice_comes()
            self._listen()
            self._report()

    def _listen(self) -> None:
        for speech in list(self.call.playout):
            words = speech.text.split()
            count = min(len(words), int(speech.played / WORD_S + 0.999) if speech.played else 0)
            for word in words[self._played.get(speech.number, 0) : count]:
                other = self.chance.choice(MISHEARD)
                heard = other if self.chance.random() < self.misheard else word
                self._due.append((self.call.now + DELAY_S, heard))
            self._played[speech.number] = max(count, self._played.get(speech.number, 0))

    def _report(self) -> None:
        call = self.call
        while self._due and self._due[0][0] + NOTICED_S <= call.now:
            _, word = self._due.pop(0)
            self._last = call.now
            if not self._sounding:
                self._sounding = True
                call.sound()
            self._turn.append(word)
            call.tell(ev.WordsHeard(" ".join(self._turn), call.audio_s()))
        if self._turn and not self._due and call.now - self._last > PAUSE_S:
            text, self._turn, self._sounding = " ".join(self._turn), [], False
            call.quiet()
            call.segment(text)
            call.turn_ends()
