"""Rows of the state table about notices: sentences that the caller must hear before all else."""

from collections.abc import Sequence

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.manners import Notice
from avr_sts_speechmatics.dialogue.state import Kind, State
from avr_sts_speechmatics.dialogue.steps import Commands, Steps


class Notices(Steps):
    """See the table in `turns`; the tag of a row begins its docstring."""

    def open_the_call(self) -> Commands:
        """T48: notices come first and are heard to their ends, then the welcome."""
        if self.manners.notices:
            yield from self._say_notices(self.manners.notices)
        elif self.manners.welcome:
            yield from self.say(self.manners.welcome, Kind.WELCOME)
        else:
            yield from self.await_input()

    def notice_is_over(self) -> Commands:
        """T49: a caller who spoke or typed meanwhile is answered instead of welcomed."""
        assert self.reply is not None
        notice = self.reply.notices[0]
        if self.reply.broken:
            yield from self.notice_failed()
        else:
            yield ev.ReportNotice(notice.kind, notice.text)
            yield from self._after_a_notice()

    def notice_failed(self) -> Commands:
        """T50: the call goes on; the log says what the caller was not told."""
        assert self.reply is not None
        kind = self.reply.notices[0].kind
        yield ev.Note(f"the caller did not hear the whole notice ({kind}): the voice failed")
        yield from self._after_a_notice()

    def _say_notices(self, notices: Sequence[Notice]) -> Commands:
        """Say the first of some notices; the others follow when it is over."""
        yield from self.stop_patience()
        reply = self.begin(Kind.NOTICE)
        reply.notices = notices
        yield ev.Say(reply.number, notices[0].text)

    def _after_a_notice(self) -> Commands:
        assert self.reply is not None
        others, self.reply = self.reply.notices[1:], None
        self.state = State.LISTENING
        if others:
            yield from self._say_notices(others)
        elif self.manners.welcome and not self._caller_came_first():
            yield from self.say(self.manners.welcome, Kind.WELCOME)
        else:
            yield from self.listen()

    def _caller_came_first(self) -> bool:
        """Whether the caller would have interrupted the welcome."""
        caller, manners = self.caller, self.manners
        words = caller.unanswered or caller.segments
        waits = manners.welcome_is_sacred or manners.barge_in == "off"
        return bool(caller.keys or (words and not waits))
