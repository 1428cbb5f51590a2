"""How the agent behaves, where that is a matter of taste: phrases, patience, what interrupts it."""

from dataclasses import dataclass

BACKCHANNELS = tuple(
    "mhm|mm|mmhm|hm|hmm|uh huh|uhhuh|yeah|yep|okay|ok|right|sure|i see|aha".split("|")
)
"""What is said to a speaker so that they go on."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How the agent behaves, in seconds and words.

    welcome: said first; empty for none. welcome_is_sacred: whether it is said to its end.
    sorry: said when a reply failed. farewell: said when the call must end because a service is
    gone. wait: said when hearing is away for longer than patience_s. goodbye: said to a caller
    who is silent, or has talked for max_call_s. warning: said before the latter.
    prompts: asked in turn when the caller says nothing.
    fillers: said in turn when an answer is slow.
    barge_in: what interrupts the agent: "words", "speech" (any sound), "off" (nothing but keys).
    confirm_s: how long a sound may stay without words before the agent goes on.
    min_words: how many words take the floor. backchannels: what is said to a speaker to go on, in
    lower case without punctuation; it takes no floor.
    keys_s: how long a pause ends a number typed on the phone.
    no_input_s, max_call_s, filler_s: 0 for never.
    transferring: said before a transfer the model did not announce itself.
    preemptive: whether the model is asked before the turn is certain to be over.
    dictation_s: how much longer a turn stays open for a number, a date, an address.
    farewell_s: how long after the last word the call is ended.
    tool_rounds: how often in a row the model may ask for tools in one answer.
    """

    welcome: str = ""
    welcome_is_sacred: bool = False
    sorry: str = "I'm sorry, I had a problem just now. Could you say that again?"
    farewell: str = "I'm sorry, I have a technical problem. Please call again later."
    wait: str = "One moment, please."
    goodbye: str = "Thank you for calling. Goodbye."
    transferring: str = "One moment, I'm putting you through."
    warning: str = "We have to finish in half a minute."
    prompts: tuple[str, ...] = ("Are you still there?", "I can't hear you. How can I help?")
    fillers: tuple[str, ...] = ("One moment.", "Let me see.", "I'm looking into it.")
    barge_in: str = "words"
    confirm_s: float = 0.7
    min_words: int = 1
    backchannels: tuple[str, ...] = BACKCHANNELS
    patience_s: float = 2.0
    keys_s: float = 3.0
    no_input_s: float = 8.0
    no_input_max: int = 2
    max_call_s: float = 0.0
    filler_s: float = 2.0
    preemptive: bool = True
    dictation_s: float = 1.5
    farewell_s: float = 0.5
    tool_rounds: int = 5

    @property
    def phrases(self) -> tuple[str, ...]:
        """All it may have to say when the voice is slow or gone."""
        return (
            self.welcome,
            self.sorry,
            self.wait,
            self.farewell,
            self.goodbye,
            self.transferring,
            *self.prompts,
            *self.fillers,
            *((self.warning,) if self.max_call_s else ()),
        )
