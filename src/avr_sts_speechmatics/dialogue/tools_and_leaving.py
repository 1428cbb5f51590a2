"""Rows of the state table about the model's tools, among them hanging up and transferring."""

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.history import STOPPED_MARK
from avr_sts_speechmatics.dialogue.state import LastWord, Requested, State, Stt
from avr_sts_speechmatics.dialogue.steps import Commands, Steps

GONE_S = 3.0
"""How long the PBX may take to end a call after it reported success (s)."""

_TOO_OFTEN = "Not done: too many tools in a row. Answer with what is known."
_ONE_END = "Not done: the call is already being ended or transferred."


class ToolsAndLeaving(Steps):
    """See the table in `turns`; the tag of a row begins its docstring."""

    # --- tools ---------------------------------------------------------------------------------

    def tools_called(self, event: ev.ToolsCalled) -> Commands:
        """T31: every tool call is written down, and each tool runs once."""
        reply = self.reply
        if reply is None or event.reply != reply.number:
            return
        reply.rounds += 1
        reply.waits_for_tools = True
        self.tools.owed = True
        requests = {next(self.tools.numbers): request for request in event.requests}
        self.history.tools_called({n: request.call for n, request in requests.items()})
        for number, request in requests.items():
            refused = request.refused or self._refusal(request, reply.rounds)
            if refused:
                self.history.tool_done(number, refused)
            elif request.leaves:
                said = self.history.waiting or reply.said_since_tools
                self.departure = Requested(number, request, farewell_said=said)
            else:
                self.tools.running.add(number)
                yield ev.RunTool(number, request)
        yield from self.ask_again()
        yield from self._farewell_was_heard()

    def _refusal(self, request: ev.ToolRequest, rounds: int) -> str:
        """T34: why a tool is not run now, for the model; empty when it may run."""
        if rounds > self.manners.tool_rounds:
            return _TOO_OFTEN
        return _ONE_END if request.leaves and self.departure is not None else ""

    def tool_done(self, event: ev.ToolDone) -> Commands:
        self.tools.running.discard(event.number)
        self.history.tool_done(event.number, event.result)
        departure = self.departure
        leaving = isinstance(departure, Requested) and departure.number == event.number
        if leaving and self.pbx_is_at_work:
            yield from self._not_left() if event.failed else self._left()
        else:
            yield from self._tools_ended()

    def _tools_ended(self) -> Commands:
        """T32: once all tools have ended, the model is asked again."""
        yield from self.ask_again()
        yield from self._farewell_was_heard()

    # --- hanging up and transferring -----------------------------------------------------------

    def _farewell_was_heard(self) -> Commands:
        """T35: other tools have ended and the answer was heard: take leave, if not yet done."""
        departure, reply = self.departure, self.reply
        if not isinstance(departure, Requested) or self.state is not State.THINKING:
            return
        if self.tools.running or self.history.waiting or reply is None or not reply.is_answer:
            return
        self.reply = None
        yield ev.CancelTimer(ev.Timer.FILLER)
        yield ev.CancelReply(reply.number)  # nothing more of it is wanted
        if departure.farewell_said:
            yield from self.depart()
            return
        departure.by_phrase = True
        transfers = departure.request.leaves == "transfer"
        farewell = self.manners.transferring if transfers else ""
        yield from self.say(farewell or self.manners.goodbye)

    def margin_is_over(self) -> Commands:
        """The last word has reached the caller's ear, or the PBX has had its time."""
        departure = self.departure
        if isinstance(departure, Requested) and departure.under_way:
            yield from self.end(hang_up=False)
        elif isinstance(departure, LastWord):
            yield from self.end(departure.error)
        elif (
            self.caller.late and not self.must_end
        ):  # they spoke over the farewell, and nothing may interrupt
            self.keep_the_call()
            self.state = State.LISTENING
            yield from self.answer()
        elif isinstance(departure, Requested):
            departure.under_way = True
            yield ev.RunTool(departure.number, departure.request)
        else:
            yield from self.end()

    def operator_leaves(self, event: ev.OperatorLeaves) -> Commands:
        """T46, T47: take the floor, take leave, then end the call or transfer it."""
        if self.must_end or self.pbx_is_at_work:
            return  # the call is about to end already
        yield from self.take_the_floor(STOPPED_MARK)
        if event.transfer is None:
            yield from self.leave(self.manners.goodbye, reason="operator")
            return
        number = next(self.tools.numbers)
        self.history.tools_called({number: event.transfer.call})
        self.departure = Requested(number, event.transfer, farewell_said=True, by_phrase=True)
        yield from self.say(self.manners.transferring or self.manners.goodbye)

    def _not_left(self) -> Commands:
        """T38: the PBX could not do it; the model is told and answers."""
        self.departure = None
        self.state = State.LISTENING
        if self.stt is Stt.GONE:
            yield from self.leave_in_failure()
        else:
            yield from self.answer()

    def _left(self) -> Commands:
        """T39: the PBX reported success and ends the call."""
        yield ev.SetTimer(ev.Timer.FAREWELL, GONE_S)
