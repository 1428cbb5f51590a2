"""The services of a call: the parts that all calls of the process share."""

from collections.abc import Callable
from dataclasses import dataclass

from avr_sts_speechmatics.agents.agent import Agent
from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.audio.ambient import Ambience
from avr_sts_speechmatics.audio.tap import Tap
from avr_sts_speechmatics.call.observer import Observer
from avr_sts_speechmatics.line import Caller, Line
from avr_sts_speechmatics.pbx.departures import Departures
from avr_sts_speechmatics.services.llm.protocol import Llm
from avr_sts_speechmatics.services.stt.protocol import SttListener, SttStream
from avr_sts_speechmatics.services.tts.protocol import Tts
from avr_sts_speechmatics.speech.kept_phrases import KeptPhrases
from avr_sts_speechmatics.tools.tool_runner import Toolbox


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of a call that all calls of the process share.

    agents: all agents.
    open_stt: opens an STT session for an agent; the listener receives what the STT recognises.
    llm: the model.
    voice_of: returns an agent's TTS and the kept phrases of that voice.
    toolbox: the operator's tools.
    departures: hangs up and transfers.
    ambience: background noise for every call, or None.
    on_failure: value of the setting ON_FAILURE, carried out after the apology.
    on_drain: value of the setting ON_DRAIN, carried out after the apology.
    observers: returns the observers of a new call, in the order in which they receive reports.
    tap: returns what takes the audio of a new call, or None.
    """

    agents: Agents
    open_stt: Callable[[Agent, SttListener], SttStream]
    llm: Llm
    voice_of: Callable[[Agent], tuple[Tts, KeptPhrases]]
    toolbox: Toolbox
    departures: Departures
    ambience: Ambience | None = None
    on_failure: str = "hangup"
    on_drain: str = "hangup"
    observers: Callable[[Caller, Line], tuple[Observer, ...]] = lambda caller, line: ()
    tap: Callable[[Caller], Tap | None] = lambda caller: None
