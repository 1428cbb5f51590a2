"""Does the agent hear itself? The signs that are remembered in a call, and their limits.

`echo` compares single words; this module remembers what came of it. A line that returns the agent's
voice, or a call that interrupts itself for a reason that nobody recognised, ends in no loop.
"""

from dataclasses import dataclass

ECHO_S = 0.6
"""How long after the agent's last sound the line may still return it, and STT report it (s)."""

ONSET_S = 1.0
"""How long after the agent's first sound the line may begin to return it, and STT report it (s)."""

ECHO_KNOWN = 2
"""Evidence from which the line is known to return the agent's voice. A sure echo counts 2, words
that may be one count 1. On such a line a sound does not pause the agent, only words stop it."""

IN_A_ROW_MAX = 4
"""After this many interruptions without an answer in between, more words are needed for one."""

IN_A_ROW_NOTE = (
    f"the agent was interrupted {IN_A_ROW_MAX} times without an answer in between, perhaps by its "
    "own voice on the line; from now on an interruption takes more words"
)

ECHO_NOTE = (
    "the line returns the agent's own voice (a loudspeaker near the microphone, or no echo "
    "cancellation): the agent's words are ignored when they come back"
)


@dataclass(slots=True)
class OwnVoice:
    """Signs that the agent interrupts itself, by its own voice on the line.

    agent_near: the agent is audible, or was a moment ago.
    agent_began: the agent has begun to speak a moment ago.
    evidence: how much the words that were heard say that the line returns the agent's voice.
    in_a_row: how often the agent was interrupted since the caller heard more than one sentence of
        an answer.
    """

    agent_near: bool = False
    agent_began: bool = False
    evidence: int = 0
    in_a_row: int = 0

    @property
    def is_known(self) -> bool:
        """Whether the line is known to return the agent's voice."""
        return self.evidence >= ECHO_KNOWN

    @property
    def is_likely(self) -> bool:
        """Whether a sound is more likely the agent's own voice than the caller's."""
        return self.is_known or self.in_a_row >= IN_A_ROW_MAX

    @property
    def more_words(self) -> int:
        """How many words an interruption takes beyond BARGE_IN_MIN_WORDS."""
        more = self.in_a_row - IN_A_ROW_MAX
        return 0 if more < 0 else min(2 + more, 6)
