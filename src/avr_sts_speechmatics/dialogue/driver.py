"""The driver of a dialogue: events go in one after another, commands are carried out at once.

Carrying out a command may cause a further event: a flush reports what it dropped, a playout that
goes on reports an utterance that was heard to its end. What a flush dropped is the flush's answer;
every other event waits until the event before it has been handled whole.
"""

from collections import deque
from collections.abc import Callable

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.turns import Dialogue


class Driver:
    """Feeds a dialogue.

    dialogue: gets every event.
    carry_out: carries out a command; returns its answer, see `events.Answer`. It may call `tell`.
    watch: is called with each event right before the dialogue handles the event.
    """

    def __init__(
        self,
        dialogue: Dialogue,
        carry_out: Callable[[ev.Command], ev.Answer],
        watch: Callable[[ev.Event], None] = lambda event: None,
    ) -> None:
        self._dialogue = dialogue
        self._carry_out = carry_out
        self._watch = watch
        self._events: deque[ev.Event] = deque()

    def tell(self, event: ev.Event) -> None:
        """Handle an event now, or right after the one that is being handled.

        Raises what `carry_out` raises; the dialogue is of no use afterwards.
        """
        self._events.append(event)
        if self._dialogue.handling:
            return
        while self._events:
            self._handle(self._events.popleft())

    def _handle(self, event: ev.Event) -> None:
        self._watch(event)
        commands = self._dialogue.handle(event)
        answer: ev.Answer = None
        try:
            while True:
                answer = self._carry_out(commands.send(answer))
        except StopIteration:
            pass
        finally:
            commands.close()
