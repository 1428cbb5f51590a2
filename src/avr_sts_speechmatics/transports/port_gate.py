"""The gate of a port: the port is closed while no call can be taken, and opened again afterwards.

AudioSocket has no message for "busy": whoever connects has a call. With the port closed, a load
balancer takes another machine, and a dialplan goes on behind `Dial()`.
"""

import asyncio
import logging
from collections.abc import Callable
from contextvars import Context

from avr_sts_speechmatics.admission.refusal import Refusal
from avr_sts_speechmatics.transports.acceptor import Acceptor

LOOK_S = 0.05
"""Time between two looks whether calls can be taken (s)."""

_log = logging.getLogger(__name__)


class PortGate:
    """Opens and closes the port of an acceptor until it is closed itself.

    acceptor: the acceptor of the port.
    name: name of the port in the log.
    why_not: returns why no new call can be taken now; None if one can.
    """

    def __init__(
        self, acceptor: Acceptor, name: str, why_not: Callable[[], Refusal | None]
    ) -> None:
        self._acceptor = acceptor
        self._name = name
        self._why_not = why_not
        self._failed = False
        self._context = Context()  # of no call
        self._timer: asyncio.TimerHandle | None = None
        self._look()

    def close(self) -> None:
        """Leave the port as it is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        refusal = self._why_not()
        if refusal is not None and not self._acceptor.suspended:
            self._acceptor.suspend()
            _log.info("%s is closed: %s", self._name, refusal.reason)
        elif refusal is None and self._acceptor.suspended:
            self._open()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(LOOK_S, self._look, context=self._context)

    def _open(self) -> None:
        try:
            self._acceptor.resume()
        except OSError as error:
            if not self._failed:
                _log.error("%s cannot be opened again (%s)", self._name, error.strerror)
            self._failed = True
        else:
            self._failed = False
            _log.info("%s is open again", self._name)
