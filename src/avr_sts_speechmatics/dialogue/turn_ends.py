"""Rows of the state table about the end of the caller's turn, spoken or typed."""

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.barge_in import BargeIn
from avr_sts_speechmatics.dialogue.dictation import asks_for_dictation, is_dictation
from avr_sts_speechmatics.dialogue.history import KEY_MARK
from avr_sts_speechmatics.dialogue.state import State
from avr_sts_speechmatics.dialogue.steps import Commands
from avr_sts_speechmatics.dialogue.unfinished import is_unfinished


class TurnEnds(BargeIn):
    """See the table in `turns`; the tag of a row begins its docstring."""

    # --- the end of the caller's turn ----------------------------------------------------------

    def turn_ended(self, event: ev.TurnEnded) -> Commands:
        caller = self.caller
        caller.ended_at = max(caller.ended_at, event.end)
        caller.speaking = False
        caller.guess = ""
        open_s = 0.0
        if caller.segments and self.state is State.LISTENING:
            open_s = self._dictation_s(caller.text) or self._unfinished_s(caller.text)
        if open_s:
            caller.held_open = open_s
            yield ev.CancelTimer(ev.Timer.OVERDUE)
            yield ev.SetTimer(ev.Timer.DICTATION, open_s)
        else:
            yield from self.turn_over()

    def _dictation_s(self, text: str) -> float:
        """T30: how long a turn stays open in the middle of a number, an address (s); or 0."""
        asked = asks_for_dictation(self.history.last_heard)
        return self.manners.dictation_s if is_dictation(text, asked=asked) else 0.0

    def _unfinished_s(self, text: str) -> float:
        """T42: how long a turn stays open in the middle of a sentence (s); or 0."""
        manners = self.manners
        return manners.unfinished_s if is_unfinished(text, manners.language) else 0.0

    def turn_over(self) -> Commands:
        """T3: also when the end of the turn was never reported."""
        caller, held = self.caller, self.held
        if held is not None and not held.asked and self.counted(caller.text) < self.enough:
            yield from self.go_on()
        elif text := caller.take_text():
            over_the_agent = self.holds_the_floor
            yield from self._turn_over_the_agent(text) if over_the_agent else self._turn(text)
        else:
            yield from self._turn_without_words()
        self.drafts.begun = 0
        caller.over_agent = caller.at_onset = False
        if self.state is State.PAUSED:
            yield from self.resume()
        yield from self.await_input()

    def _turn(self, text: str) -> Commands:
        """T1, T29, T33: a turn with words is answered, by the draft where one answers it."""
        yield from self.answer(text)

    def _turn_without_words(self) -> Commands:
        """T2, T5: nothing was asked; what was asked before and is unanswered, is asked again."""
        caller = self.caller
        if self.held is not None:
            yield from self.go_on()
        elif self.state is State.LISTENING and caller.unanswered and not caller.keys:
            yield from self.answer()
        else:
            yield from self.drop_draft()

    # --- keys ----------------------------------------------------------------------------------

    def key_pressed(self, event: ev.KeyPressed) -> Commands:
        """T14: a key flushes the agent and is collected."""
        if self.pbx_is_at_work:
            return
        caller = self.caller
        self.patience.prompts = 0
        yield from self.stop_patience()
        yield from self.drop_draft()
        if not self.gives_notice:
            yield from self.take_the_floor(KEY_MARK)
        if event.digit == "*":
            caller.keys = ""
            yield ev.CancelTimer(ev.Timer.KEYS)
            yield from self.await_input()
        elif event.digit == "#":
            yield from self.number_typed()
        else:
            caller.keys += event.digit
            yield ev.SetTimer(ev.Timer.KEYS, self.manners.keys_s)

    def number_typed(self) -> Commands:
        """T14: "#" or a pause ends the number."""
        yield ev.CancelTimer(ev.Timer.KEYS)
        caller = self.caller
        if caller.keys:
            typed, caller.keys = f"[keys: {' '.join(caller.keys)}]", ""
            if self.pbx_is_at_work or self.gives_notice:
                # Too late: if the PBX fails, they are answered. A notice is heard to its end.
                caller.answer_later(typed)
                return
            yield from self.answer(typed)
        yield from self.await_input()
