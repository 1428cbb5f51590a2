"""The timers of a call: each one answers a question of its own."""

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.timer import Timer


def test_each_timer_answers_another_question() -> None:
    assert len({timer.value for timer in Timer}) == len(Timer.__members__)
    assert ev.Timer is Timer
