"""The link between the running code of a call and the trace of the call.

The log and the requests to other services read the trace from the name of the call, see
`call_in_log`. Code that is started for a part of the call, such as a reply, has a name of its own.
"""

from avr_sts_speechmatics.call.observer import CallBegan, Observed
from avr_sts_speechmatics.call_in_log import CallName, current_call
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.network.trace_context import TraceContext
from avr_sts_speechmatics.telemetry.open_telemetry_span import Span
from avr_sts_speechmatics.telemetry.turn_times import TurnTimes


class CallLink:
    """Gives the call of an observer its place in a trace, for the log and for other services.

    context: the span of the call.
    """

    def __init__(self, context: TraceContext) -> None:
        self._context = context

    def event(self, at: float, event: Observed) -> None:
        if isinstance(event, CallBegan):
            name = current_call.get()
            if isinstance(name, CallName):
                # In place: the connection of the call has the same name.
                name.span = self._context

    def command(self, at: float, command: ev.Command) -> None:
        pass

    def turn(self, times: TurnTimes) -> None:
        """Take the times of a finished turn, right before the report that its reply is over."""


def enter(span: Span) -> CallName | None:
    """Make the code that is started next a part of a span: its log lines and its requests.

    The call restores the name when the event is handled.
    """
    name = current_call.get()
    if not isinstance(name, CallName):
        return None
    within = name.within(span.context)
    current_call.set(within)
    return within
