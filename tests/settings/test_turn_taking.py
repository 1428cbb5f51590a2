"""Settings of the topic: turns and manners."""

from tests.settings.topic_tests import TopicTests

from avr_sts_speechmatics.settings.turn_taking import TurnTaking


class TestTurnTaking(TopicTests):
    topic = TurnTaking
    defaults = (
        ("PREEMPTIVE", "on"),
        ("DICTATION_MS", 1500.0),
        ("UNFINISHED_MS", 1000.0),
        ("BARGE_IN", "words"),
        ("BARGE_IN_CONFIRM_MS", 700.0),
        ("BARGE_IN_MIN_WORDS", 1),
        ("BARGE_IN_BACKCHANNELS", None),
        ("WELCOME_BARGE_IN", True),
        ("NO_INPUT_S", 8.0),
        ("NO_INPUT_MAX", 2),
        ("MAX_CALL_S", 0.0),
        ("FILLER_AFTER_MS", 2000.0),
        ("DTMF_TIMEOUT_MS", 3000.0),
    )
    good = (
        ("PREEMPTIVE", "off", "off"),
        ("DICTATION_MS", "0", 0.0),
        ("UNFINISHED_MS", "0", 0.0),
        ("BARGE_IN", "Speech", "speech"),
        ("BARGE_IN_CONFIRM_MS", "500", 500.0),
        ("BARGE_IN_MIN_WORDS", "2", 2),
        ("BARGE_IN_BACKCHANNELS", "Mhm, uh-huh!, ,I see", ("mhm", "uhhuh", "i see")),
        ("BARGE_IN_BACKCHANNELS", "", ()),
        ("WELCOME_BARGE_IN", "no", False),
        ("WELCOME_BARGE_IN", "True", True),
        ("NO_INPUT_S", "0", 0.0),
        ("NO_INPUT_MAX", "3", 3),
        ("MAX_CALL_S", "600", 600.0),
        ("FILLER_AFTER_MS", "1500", 1500.0),
        ("DTMF_TIMEOUT_MS", "2000", 2000.0),
    )
    wrong = (
        ("PREEMPTIVE", "perhaps", "on or off"),
        ("DICTATION_MS", "10001", "milliseconds from 0 to 10000"),
        ("UNFINISHED_MS", "-1", "milliseconds from 0 to 10000"),
        ("BARGE_IN", "maybe", "words, speech, off"),
        ("BARGE_IN_CONFIRM_MS", "5001", "milliseconds from 0 to 5000"),
        ("BARGE_IN_MIN_WORDS", "0", "from 1 to 20"),
        ("WELCOME_BARGE_IN", "perhaps", "true or false"),
        ("NO_INPUT_S", "-1", "seconds from 0 to 600"),
        ("NO_INPUT_MAX", "many", "from 0 to 20"),
        ("MAX_CALL_S", "1e9", "seconds from 0 to 86400"),
        ("FILLER_AFTER_MS", "soon", "milliseconds from 0 to 30000"),
        ("DTMF_TIMEOUT_MS", "0", "milliseconds from 100 to 30000"),
    )
    free_text = ("BARGE_IN_BACKCHANNELS",)
