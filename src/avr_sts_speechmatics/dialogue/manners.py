"""Manners: how an agent behaves, where that is a matter of taste.

A field is declared here and nowhere else. A setting that decides a field names the field where
the setting is declared, in `settings`. Phrases have no settings; an agent file sets each of them
under the name of its field. Their defaults are those of the English language pack; `agents` puts
the phrases of the agent's language in their place.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from avr_sts_speechmatics.dialogue.events import NoticeKind
from avr_sts_speechmatics.language_packs import ENGLISH

HUMS = tuple("mhm|mm|mmhm|hm|hmm|uh huh|uhhuh|aha".split("|"))
"""Sounds of a listener, alike in many languages. They seldom answer a question."""

BACKCHANNELS = ENGLISH.backchannels
"""Words of a listener who wants the speaker to continue."""


def _phrase(text: str, *, only_with: str | None = None) -> Any:
    """Declare a text that the agent says.

    only_with: a field of Manners; while that field is 0, the text is never said.
    """
    return field(default=text, metadata={"phrase": "text", "only_with": only_with})


def _phrases(*texts: str) -> Any:
    """Declare texts that the agent says in turn."""
    return field(default=texts, metadata={"phrase": "list", "only_with": None})


class Notice(NamedTuple):
    """A sentence that the caller must hear.

    kind: what the notice is about.
    """

    kind: NoticeKind
    text: str


@dataclass(frozen=True, slots=True)
class Manners:
    """How an agent behaves, in seconds and words.

    recording_notice: said first, whatever the caller does; empty for none.
    disclosure: said next, whatever the caller does: that a machine speaks; empty for none.
    welcome: said after the notices; empty for none.
    welcome_is_sacred: whether the welcome cannot be interrupted.
    sorry: said when a reply failed.
    wait: said when STT is away for longer than patience_s.
    farewell: said when the call must end because a service is gone.
    goodbye: said to a caller who stays silent, or who has talked for max_call_s.
    busy: said instead of a call that cannot be taken now; empty for nothing.
    transferring: said before a transfer that the model did not announce.
    prompts: said in turn to a caller who says nothing.
    fillers: said in turn when an answer is slow.
    warning: said before max_call_s is over.
    barge_in: what interrupts the agent: "words", "speech" (any sound), "off" (only keys).
    confirm_s: how long a sound may last without words before the agent continues.
    min_words: how many words interrupt the agent.
    backchannels: phrases that do not interrupt, in lower case without punctuation.
    patience_s: how long STT may be away before the agent says `wait`.
    keys_s: length of the pause that ends a number typed on the phone.
    no_input_s: how long a caller may be silent before a prompt; 0 for ever.
    no_input_max: how many prompts a silent caller gets before the goodbye.
    max_call_s: longest call; 0 for no limit.
    filler_s: how long an answer may take before a filler; 0 for no fillers.
    preemptive: whether the model is asked before the turn is certain to have ended.
    dictation_s: how much longer a turn stays open for a number, a date, an address.
    unfinished_s: how much longer a turn stays open that ends in the middle of a sentence; 0: not.
    language: of the caller, such as "en"; each agent has its own.
    farewell_s: how long after the last word the call is ended.
    ignores_echo: whether the agent's own words are ignored when the line returns them.
    tool_rounds: how often in a row the model may ask for tools in one answer.
    """

    recording_notice: str = ""
    disclosure: str = ""
    welcome: str = ""
    welcome_is_sacred: bool = False
    sorry: str = _phrase(ENGLISH.sorry)
    wait: str = _phrase(ENGLISH.wait)
    farewell: str = _phrase(ENGLISH.farewell)
    goodbye: str = _phrase(ENGLISH.goodbye)
    busy: str = ENGLISH.busy
    transferring: str = _phrase(ENGLISH.transferring)
    prompts: tuple[str, ...] = _phrases(*ENGLISH.prompts)
    fillers: tuple[str, ...] = _phrases(*ENGLISH.fillers)
    warning: str = _phrase(ENGLISH.warning, only_with="max_call_s")
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
    unfinished_s: float = 1.0
    language: str = "en"
    farewell_s: float = 0.5
    ignores_echo: bool = True
    tool_rounds: int = 5

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the caller must hear before all else, in order."""
        notices = (
            Notice("recording", self.recording_notice),
            Notice("disclosure", self.disclosure),
        )
        return tuple(notice for notice in notices if notice.text)

    def said(self) -> Iterator[str]:
        """Names of the phrases that the agent may say, without the welcome."""
        for item in fields(self):
            if "phrase" in item.metadata:
                needed = item.metadata["only_with"]
                if needed is None or getattr(self, needed):
                    yield item.name

    @property
    def phrases(self) -> tuple[str, ...]:
        """Everything that the agent may have to say while TTS is slow or gone."""
        texts = [*(notice.text for notice in self.notices), self.welcome, self.busy]
        for name in self.said():
            value = getattr(self, name)
            texts += (value,) if isinstance(value, str) else value
        return tuple(texts)


def _names(kind: str) -> tuple[str, ...]:
    return tuple(item.name for item in fields(Manners) if item.metadata.get("phrase") == kind)


PHRASES = _names("text")
"""Fields of Manners that hold one phrase each, besides the welcome."""

PHRASE_LISTS = _names("list")
"""Fields of Manners that hold several phrases, said in turn."""
