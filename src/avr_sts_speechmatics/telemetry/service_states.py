"""Whether STT, LLM and TTS work, as far as this process knows: for the log, `/health` and `/ready`.

The knowledge comes from trials (`service_trials`) and from calls, which report failures and
successes while they happen. Only a change of state is logged, with the number of tries between.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextvars import Context
from datetime import UTC, datetime
from typing import Any

from avr_sts_speechmatics.call.observer import Observed, ReplyOver
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.speech.speaker import ServiceFailed, TextStarted
from avr_sts_speechmatics.values import counted

SERVICES = ("stt", "llm", "tts")

_log = logging.getLogger(__name__)


class ServiceState:
    """The known state of one service.

    name: "stt", "llm" or "tts".
    what: the part of the service in use, such as the name of a model; may be empty.
    restrictions: returns one sentence for each feature that is not used because the service refused
        the feature, such as "is asked without tools". Shown in `/health`.
    """

    def __init__(
        self,
        name: str,
        what: str = "",
        restrictions: Callable[[], Sequence[str]] = lambda: (),
    ) -> None:
        self.name = name
        self.what = what
        self.works: bool | None = None
        """None until the service is tried or used."""
        self.failed_again = asyncio.Event()
        """Set by every failure that a call reports."""
        self._restrictions = restrictions
        self._took_ms: int | None = None
        self._error = ""
        self._error_at = ""
        self._failures = 0
        self._failing_since = 0.0

    def worked(self, took_s: float | None = None) -> None:
        """Record a success.

        took_s: time of the trial to its first result (s); None for a success in a call.
        """
        if took_s is not None:
            self._took_ms = round(1000 * took_s)
        if self.works:
            return
        took = "" if took_s is None else f" {self._took_ms} ms"
        if self._failures:
            away = time.monotonic() - self._failing_since
            self._say(
                logging.INFO,
                f" ok{took}, again after {counted(self._failures, 'failure')} in {away:.0f} s",
            )
        else:
            self._say(logging.INFO, f" ok{took}")
        self.works, self._failures = True, 0

    def failed(self, error: str) -> None:
        """Record a failure.

        error: the reason in words.
        """
        error = error.removeprefix(f"{self.name}: ")
        if not self._failures:
            self._failing_since = time.monotonic()
        self._failures += 1
        if self.works is not False or error != self._error:
            self._say(logging.WARNING, f" {self.what}: {error}" if self.what else f": {error}")
        self.works, self._error = False, error
        self._error_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    def shown(self) -> dict[str, Any]:
        """Return the state for `/health`."""
        names = {None: "not tried yet", True: "ok", False: "failed"}
        last = {"message": self._error, "at": self._error_at} if self._error else None
        return {
            "state": names[self.works],
            "took_ms": self._took_ms,
            "failures": self._failures,
            "last_error": last,
            "restrictions": list(self._restrictions()),
        }

    def _say(self, level: int, text: str) -> None:
        # The service belongs to all calls, also when one of them reports the change.
        Context().run(_log.log, level, "%s%s", self.name, text)


class ServiceStates:
    """The states of the services that calls use.

    states: states by service; a service that is not reached over a network has no state.
    """

    def __init__(self, *states: ServiceState) -> None:
        self.all = {state.name: state for state in states}

    @property
    def degraded(self) -> bool:
        """Whether a service is known to fail."""
        return any(state.works is False for state in self.all.values())

    @property
    def all_work(self) -> bool:
        """Whether every service was tried or used, and the latest result was a success."""
        return all(state.works for state in self.all.values())

    def shown(self) -> dict[str, Any]:
        """Return the states for `/health`, by service."""
        return {name: state.shown() for name, state in self.all.items()}


class ServiceWatch:
    """Observes one call for the states of the services that it uses.

    Only trials show that a TTS works: kept phrases are heard without TTS.
    """

    def __init__(self, states: ServiceStates) -> None:
        self._stt, self._llm = states.all.get("stt"), states.all.get("llm")
        self._states = states
        self._asked: set[int] = set()

    def event(self, at: float, event: Observed) -> None:
        match event:
            case ServiceFailed(service, error):
                if (state := self._states.all.get(service)) is not None:
                    state.failed(error)
                    state.failed_again.set()
            case TextStarted(number) if number in self._asked:
                if self._llm is not None and not self._llm.works:
                    self._llm.worked()
            case ev.WordsHeard() | ev.SegmentHeard() | ev.SttRestored():
                if self._stt is not None and not self._stt.works:
                    self._stt.worked()
            case ReplyOver(number):
                self._asked.discard(number)

    def command(self, at: float, command: ev.Command) -> None:
        if isinstance(command, ev.StartReply):
            self._asked.add(command.reply)
