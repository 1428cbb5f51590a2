"""Meanings of the signals for the running service. No signal ends calls by accident.

    SIGTERM, SIGQUIT   drain: take no new call, let running calls finish for DRAIN_S
    SIGHUP             the same: a terminal that closes must not cut calls. Not with nohup, which
                       asks for SIGHUP to be ignored
    SIGINT             end now: a person pressed Ctrl-C
    a second SIGTERM   end now
    all others         logged and ignored (SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE, ...)

These signals are not caught: SIGKILL and SIGSTOP, which no program can catch; SIGTSTP (Ctrl-Z) and
SIGCONT, which a person uses to stop and continue the process; the signals of a crash (SIGSEGV,
SIGABRT, ...).
"""

import asyncio
import signal
from collections.abc import Callable
from enum import Enum, auto

_DRAIN = ("SIGTERM", "SIGQUIT", "SIGHUP")

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
    ignored: Callable[[str], None],
) -> None:
    """Install the meaning of every signal for as long as `loop` runs.

    end: called with the kind of ending and the name of the signal.
    ignored: called with the name of a signal that means nothing here.
    """
    terminated = False

    def drain(name: str) -> None:
        nonlocal terminated
        # SIGHUP may accompany SIGTERM (systemd's SendSIGHUP), so it never hurries.
        hurry = terminated and name != "SIGHUP"
        terminated = terminated or name != "SIGHUP"
        end(Ending.NOW if hurry else Ending.DRAIN, name)

    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    for number in sorted(signal.valid_signals()):
        name = number.name if isinstance(number, signal.Signals) else f"signal {number}"
        if name in _LEFT_ALONE:
            continue
        if name == "SIGINT":
            loop.add_signal_handler(number, end, Ending.NOW, name)
        elif name in _DRAIN:
            if name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, drain, name)
        else:
            loop.add_signal_handler(number, ignored, name)
