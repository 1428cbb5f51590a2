"""Settings: who speaks when, how patient the agent is, and what interrupts the agent."""

from dataclasses import dataclass

from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.settings.declaration import MILLISECONDS, NEGATED, ON_OFF, manner


@dataclass(frozen=True, kw_only=True)
class TurnTaking:
    """Turns, barge-in, silence and the length of a call."""

    preemptive: str = manner(
        "preemptive",
        check.on_or_off,
        "`on`: the model is asked as soon as the caller's words seem settled, and its answer is "
        "spoken only if the turn ends with these words. Answers come sooner and cost more tokens. "
        "`off`: the model is asked when the turn ends.",
        ON_OFF,
    )
    dictation_ms: float = manner(
        "dictation_s",
        check.number(0, 10_000, "milliseconds"),
        "How much longer a turn stays open while the caller says a number, a date or an address, "
        "or spells (ms).",
        MILLISECONDS,
    )
    unfinished_ms: float = manner(
        "unfinished_s",
        check.number(0, 10_000, "milliseconds"),
        'How much longer a turn stays open that ends in the middle of a sentence, such as "I would '
        'like to book" (ms); 0: no longer. The answer is prepared meanwhile.',
        MILLISECONDS,
    )
    barge_in: str = manner(
        "barge_in",
        check.one_of("words", "speech", "off", also=dict.fromkeys(check.NO, "off")),
        "What interrupts the agent: `words` (a sound without words only pauses the agent), "
        "`speech` (any sound), `off` (only keys).",
    )
    barge_in_confirm_ms: float = manner(
        "confirm_s",
        check.number(0, 5000, "milliseconds"),
        "How long a sound may last without words before the agent, who paused, continues (ms).",
        MILLISECONDS,
    )
    barge_in_min_words: int = manner(
        "min_words", check.whole(1, 20), "How many words of the caller interrupt the agent."
    )
    barge_in_backchannels: tuple[str, ...] | None = manner(
        "backchannels",
        check.phrases,
        "What callers say to show that they listen, separated by commas; while the agent speaks, "
        "these phrases do not count as words.",
        default=None,
        default_text="mhm, yeah, okay and the like, in the agent's language",
        may_be_empty=True,
    )
    welcome_barge_in: bool = manner(
        "welcome_is_sacred",
        check.yes_or_no,
        "Whether the caller can interrupt the welcome (`true`, `false`).",
        NEGATED,
    )
    no_input_s: float = manner(
        "no_input_s",
        check.number(0, 600, "seconds"),
        "How long a caller may be silent before the agent asks whether the caller is there, with "
        "another phrase each time (s); 0: for ever.",
    )
    no_input_max: int = manner(
        "no_input_max",
        check.whole(0, 20),
        "How often the agent asks a silent caller before it says goodbye and ends the call.",
    )
    max_call_s: float = manner(
        "max_call_s",
        check.number(0, 86_400, "seconds"),
        "Longest call (s), with a warning half a minute before the end; 0: no limit.",
    )
    filler_after_ms: float = manner(
        "filler_s",
        check.number(0, 30_000, "milliseconds"),
        "How long an answer may take before a short phrase fills the silence (ms); 0: no phrase.",
        MILLISECONDS,
    )
    dtmf_timeout_ms: float = manner(
        "keys_s",
        check.number(100, 30_000, "milliseconds"),
        "Length of the pause that ends a number typed on the phone (ms); `#` ends the number at "
        "once, `*` clears it.",
        MILLISECONDS,
    )
