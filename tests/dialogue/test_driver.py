"""The driver: one event after another, and answers to commands."""

import pytest

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.driver import Driver
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.dialogue.state import State
from avr_sts_speechmatics.dialogue.turns import Dialogue

MANNERS = Manners(no_input_s=0.0, preemptive=False)


class Carrier:
    """Carries out commands: keeps them, answers a flush, reports events from within some."""

    def __init__(self) -> None:
        self.commands: list[ev.Command] = []
        self.dropped: tuple[ev.UtteranceDropped, ...] = ()
        self.reports: dict[type[ev.Command], list[ev.Event]] = {}
        self.dialogue = Dialogue(MANNERS)
        self.driver = Driver(self.dialogue, self.carry_out)

    def carry_out(self, command: ev.Command) -> ev.Answer:
        self.commands.append(command)
        for event in self.reports.pop(type(command), []):
            self.driver.tell(event)
        return self.dropped if isinstance(command, ev.Flush) else None

    def answers(self) -> None:
        """The agent says a sentence in answer to a question."""
        self.driver.tell(ev.SegmentHeard("When?", 1.0))
        self.driver.tell(ev.TurnEnded(1.0))
        (reply,) = (c.reply for c in self.commands if isinstance(c, ev.StartReply))
        self.driver.tell(ev.SentenceReady(reply, 7, "From nine to five."))
        self.driver.tell(ev.VoiceStarted(reply))

    @property
    def transcripts(self) -> list[tuple[str, str]]:
        said = (c for c in self.commands if isinstance(c, ev.SendTranscript))
        return [(command.role, command.text) for command in said]


def test_what_a_flush_dropped_is_written_down_before_the_words_that_interrupted() -> None:
    carrier = Carrier()
    carrier.answers()
    carrier.dropped = (ev.UtteranceDropped(7, 0.5),)
    carrier.driver.tell(ev.SegmentHeard("Stop please.", 2.0))
    carrier.driver.tell(ev.TurnEnded(2.0))
    assert carrier.transcripts == [
        ("user", "When?"),
        ("agent", "From nine"),
        ("user", "Stop please."),
    ]


def test_an_event_from_within_a_command_waits_until_the_event_before_it_is_handled() -> None:
    carrier = Carrier()
    carrier.answers()
    carrier.driver.tell(ev.CallerSpeechStarted())
    assert carrier.commands[-2] == ev.Pause()
    # Where another machine plays, resuming may find that the sentence was heard already.
    carrier.reports[ev.Resume] = [ev.UtterancePlayed(7)]
    carrier.driver.tell(ev.TimerFired(ev.Timer.CONFIRM))
    assert carrier.dialogue.state is State.THINKING
    assert carrier.transcripts[-1] == ("agent", "From nine to five.")


def test_events_that_wait_are_handled_in_their_order() -> None:
    carrier = Carrier()
    carrier.reports[ev.SetTimer] = [ev.KeyPressed("1"), ev.KeyPressed("2"), ev.KeyPressed("#")]
    carrier.driver.tell(ev.KeyPressed("0"))
    assert carrier.transcripts == [("user", "[keys: 0 1 2]")]


def test_a_command_that_cannot_be_carried_out_raises() -> None:
    def fail(command: ev.Command) -> ev.Answer:
        raise RuntimeError("no line")

    driver = Driver(Dialogue(MANNERS), fail)
    with pytest.raises(RuntimeError, match="no line"):
        driver.tell(ev.KeyPressed("1"))
