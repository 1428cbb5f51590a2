"""Meanings of the signals for the running service. No signal ends calls by accident.

    SIGTERM, SIGQUIT   drain: take no new call, let running calls finish for DRAIN_S
    SIGHUP             replace the workers by new ones, with the settings and code on disk. If the
                       controlling terminal is gone: drain, a terminal that closes must not cut
                       calls. Nothing with nohup, which asks for SIGHUP to be ignored
    SIGINT             end now: a person pressed Ctrl-C
    a second SIGTERM   end now
    all others         logged and ignored (SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE, ...)

These signals are not caught: SIGKILL and SIGSTOP, which no program can catch; SIGTSTP (Ctrl-Z) and
SIGCONT, which a person uses to stop and continue the process; the signals of a crash (SIGSEGV,
SIGABRT, ...).
"""

import asyncio
import os
import signal
from collections.abc import Callable
from enum import Enum, auto

_DRAIN = ("SIGTERM", "SIGQUIT")

_LEFT_ALONE = frozenset(
    {
        *("SIGKILL", "SIGSTOP", "SIGTSTP", "SIGCONT", "SIGCHLD", "SIGWINCH", "SIGURG"),
        *("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGTRAP", "SIGSYS", "SIGTTIN"),
        # A process in the background that writes to its terminal is stopped by the default action.
        # SIGPIPE and SIGXFSZ are ignored by Python, and a write reports an error instead.
        *("SIGTTOU", "SIGPIPE", "SIGXFSZ"),
    }
)


class Ending(Enum):
    """How the service is asked to end."""

    DRAIN = auto()
    NOW = auto()

    @property
    def drains(self) -> bool:
        return self is Ending.DRAIN


def handle(
    loop: asyncio.AbstractEventLoop,
    end: Callable[[Ending, str], None],
    hung_up: Callable[[str], None],
    ignored: Callable[[str], None],
) -> None:
    """Install the meaning of every signal for as long as `loop` runs.

    end: called with the kind of ending and the name of the signal.
    hung_up: called with "SIGHUP", unless this signal is ignored since the start.
    ignored: called with the name of a signal that means nothing here.
    """
    terminated = False

    def drain(name: str) -> None:
        nonlocal terminated
        hurry, terminated = terminated, True
        end(Ending.NOW if hurry else Ending.DRAIN, name)

    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    for number in sorted(signal.valid_signals()):
        name = number.name if isinstance(number, signal.Signals) else f"signal {number}"
        if name in _LEFT_ALONE:
            continue
        if name == "SIGINT":
            loop.add_signal_handler(number, end, Ending.NOW, name)
        elif name in _DRAIN:
            loop.add_signal_handler(number, drain, name)
        elif name == "SIGHUP":
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, hung_up, name)
        else:
            loop.add_signal_handler(number, ignored, name)


class Terminal:
    """The controlling terminal of this process, if there is one."""

    def __init__(self) -> None:
        self._was_there = _terminal_is_there()

    @property
    def is_gone(self) -> bool:
        """Whether there was a terminal at the start and is none now."""
        return self._was_there and not _terminal_is_there()


def _terminal_is_there() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
