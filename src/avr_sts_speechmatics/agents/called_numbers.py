"""Called numbers: finds the agent that a number belongs to.

Dialplans and trunks write the same number in several ways (`+49 30 1234-5`, `493012345`), so
separators and a leading plus are ignored. Dial patterns (`_5XXX`) are Asterisk's. They are tried
after the numbers themselves, in the order of the agents' names.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from avr_sts_speechmatics.pbx.dial_patterns import Pattern, allowed, is_extension, parse

if TYPE_CHECKING:
    from avr_sts_speechmatics.agents.agent_file import WrittenAgent

_BETWEEN_DIGITS = str.maketrans("", "", " -./()")


class CalledNumbers:
    """The numbers of all agents.

    agents: as written in their files.
    mistakes: a sentence with file and line is added for each number that two agents have, and for
        each number that cannot be called.
    """

    def __init__(self, agents: "Sequence[WrittenAgent]", mistakes: list[str]) -> None:
        self._names: dict[str, str] = {}
        self._patterns: list[tuple[str, tuple[Pattern, ...]]] = []
        owners: dict[str, WrittenAgent] = {}
        for agent in agents:
            for written in agent.numbers:
                number = _bare(written)
                owner = owners.setdefault(number, agent)
                if owner is not agent:
                    other = owner.where("numbers")
                    mistakes.append(f"{agent.where('numbers')}: {written} is taken: {other}.")
                elif number.startswith("_"):
                    try:
                        self._patterns.append((agent.name, parse(number)))
                    except ValueError as error:
                        mistakes.append(f"{agent.where('numbers')}: {error}.")
                elif is_extension(number):
                    self._names[number] = agent.name
                else:
                    mistakes.append(
                        f"{agent.where('numbers')}: {written!r} cannot be called; give a number, "
                        "an extension, or a dial pattern such as _5XXX."
                    )

    def agent_of(self, called: str) -> str | None:
        """Return the name of the agent that answers a called number; None if no agent does.

        called: as the dialplan sent it; untrusted text.
        """
        number = _bare(called)
        if number in self._names:
            return self._names[number]
        return next((name for name, pattern in self._patterns if allowed(pattern, number)), None)


def _bare(number: str) -> str:
    """Return a number or pattern without the characters that are ignored."""
    if number.startswith("_"):
        # The punctuation of a pattern has a meaning.
        return "_" + number[1:].removeprefix("+")
    return number.translate(_BETWEEN_DIGITS).removeprefix("+")
