"""Turn times: the delays of a turn, from the caller's last sound to the agent's first sound.

The observer follows each answer of the model from the request to the last word and reports the
finished times. It keeps a text only while the utterance is in the playout.
"""

from collections.abc import Callable
from dataclasses import dataclass

from avr_sts_speechmatics.call.observer import (
    CallerStopped,
    Observed,
    ReplyOver,
    TokensUsed,
    UtteranceHeard,
)
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.history import heard_words
from avr_sts_speechmatics.dialogue.words import count_words
from avr_sts_speechmatics.speech.speaker import ClauseReady, TextStarted


@dataclass(slots=True)
class TurnTimes:
    """One answer of the agent and the turn that it answers.

    All times are monotonic seconds; None if the event has not happened.

    asked: the model was asked; earlier than `confirmed` if the turn had not surely ended.
    stopped: the caller stopped speaking, as the recogniser reported it.
    confirmed: the turn was over.
    first_token: the model's first text arrived.
    first_clause: the first piece of text was sent to the TTS.
    first_audio: the first audio of the TTS arrived.
    first_frame: the first frame left for the caller.
    requests: requests to the model for this turn, including those that were dropped.
    prompt_tokens: tokens of the requests, as the server counts them; None if it does not.
    cached_tokens: tokens of the requests that came from the server's cache.
    completion_tokens: tokens of the answer, reasoning included.
    words_said: words that were sent to the TTS.
    words_heard: words that were played, estimated from the played audio.
    interrupted: True if the caller stopped the answer before its end.
    """

    asked: float
    stopped: float | None = None
    confirmed: float | None = None
    first_token: float | None = None
    first_clause: float | None = None
    first_audio: float | None = None
    first_frame: float | None = None
    requests: int = 1
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    words_said: int = 0
    words_heard: int = 0
    interrupted: bool = False

    @property
    def voice_to_voice_ms(self) -> int | None:
        """The caller's wait for the answer (ms); None for a turn of keys, or without an answer."""
        return _ms(self.stopped, self.first_frame)

    def as_dict(self) -> dict[str, int | bool | None]:
        """The waits in whole ms, for a log line; None for a wait that did not happen.

        Tokens are included if the model's server reported them.
        """
        tokens = {
            "prompt_tokens": self.prompt_tokens,
            "cached_tokens": self.cached_tokens,
            "completion_tokens": self.completion_tokens,
        }
        return {
            "voice_to_voice_ms": self.voice_to_voice_ms,
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
            **(tokens if self.prompt_tokens is not None else {}),
        }


class TurnTimesObserver:
    """Measures every answer of one call. Fixed texts, such as the welcome, are not measured.

    finished: functions that are called in order, with the times of an answer, when it has ended.
    """

    def __init__(self, *finished: Callable[[TurnTimes], None]) -> None:
        self._finished = finished
        self._turns: dict[int, TurnTimes] = {}  # by number of the reply
        self._texts: dict[int, tuple[int, str]] = {}  # reply and text by utterance
        self._stopped: float | None = None
        self._dropped_requests = 0  # since the last confirmed answer

    def command(self, at: float, command: ev.Command) -> None:
        match command:
            case ev.StartReply(number, history, tentative):
                times = TurnTimes(at, requests=0 if history is None else 1)
                self._turns[number] = times
                if not tentative:
                    self._confirm(times, at)
            case ev.ConfirmReply(number):
                if (confirmed := self._turns.get(number)) is not None:
                    self._confirm(confirmed, at)
            case ev.ContinueReply(number):
                if (continued := self._turns.get(number)) is not None:
                    continued.requests += 1

    def event(self, at: float, event: Observed) -> None:
        match event:
            case CallerStopped(stopped):
                self._stopped = stopped
            case TextStarted(number):
                times = self._turns.get(number)
                if times is not None and times.first_token is None:
                    times.first_token = at
            case TokensUsed(number, prompt, cached, completion, estimated=False):
                if (times := self._turns.get(number)) is not None:
                    times.prompt_tokens = (times.prompt_tokens or 0) + prompt
                    times.cached_tokens = (times.cached_tokens or 0) + cached
                    times.completion_tokens = (times.completion_tokens or 0) + completion
            case ev.SentenceReady(number, utterance, text):
                if (times := self._turns.get(number)) is not None:
                    times.words_said += count_words((text,))
                    self._texts[utterance] = number, text
            case ClauseReady(number):
                times = self._turns.get(number)
                if times is not None and times.first_clause is None:
                    times.first_clause = at
            case ev.VoiceStarted(number, filler) if not filler:
                times = self._turns.get(number)
                if times is not None and times.first_audio is None:
                    times.first_audio = at
            case UtteranceHeard(utterance, first_sent, share):
                self._utterance_heard(utterance, first_sent, share)
            case ReplyOver(number, cancelled):
                self._reply_over(number, cancelled=cancelled)

    def _confirm(self, times: TurnTimes, at: float) -> None:
        times.confirmed = at
        times.stopped, self._stopped = self._stopped, None
        times.requests += self._dropped_requests
        self._dropped_requests = 0

    def _utterance_heard(self, utterance: int, first_sent: float | None, share: float) -> None:
        number, text = self._texts.pop(utterance, (0, ""))
        times = self._turns.get(number)
        if times is None:
            return
        if times.first_frame is None:
            times.first_frame = first_sent
        times.words_heard += count_words((heard_words(text, share),))

    def _reply_over(self, number: int, *, cancelled: bool) -> None:
        times = self._turns.pop(number, None)
        if times is None:
            return
        if times.confirmed is None:
            self._dropped_requests += 1
            return
        # The reply of a farewell is cancelled after the farewell was heard to its end.
        heard_out = 0 < times.words_said == times.words_heard
        times.interrupted = cancelled and not heard_out
        for finished in self._finished:
            finished(times)


def _ms(begin: float | None, end: float | None) -> int | None:
    return None if begin is None or end is None else round((end - begin) * 1000)
