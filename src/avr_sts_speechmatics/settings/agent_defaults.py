"""Settings: the agent that answers, and the directory of further agents."""

from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.settings.declaration import manner, setting
from avr_sts_speechmatics.settings.notices import NOTICE, notice


@dataclass(frozen=True, kw_only=True)
class AgentDefaults:
    """Instructions and welcome of an agent whose own file does not set them."""

    speechmatics_instructions: str | None = setting(
        check.text,
        "Instructions for the agent: who the agent is and how it behaves. `{from}`, `{date}` "
        "and other placeholders stand for facts of the call. Overrides "
        "`SPEECHMATICS_URL_INSTRUCTIONS` and `SPEECHMATICS_FILE_INSTRUCTIONS`.",
        default_text="a short text made for the phone, in the agent's language",
        also=("OPENAI_INSTRUCTIONS",),
        common=True,
    )
    speechmatics_url_instructions: str | None = setting(
        check.url("http", "https"),
        "Address of a web service that is asked for the instructions of each call: GET with the "
        "call's parameters and the header `X-AVR-UUID`. The reply is "
        '`{"system": "..."}`, optionally with `welcome`, `voice`, `language` and `tools`. If '
        "no answer arrives within 2 s, the next source is used.",
        also=("OPENAI_URL_INSTRUCTIONS",),
    )
    speechmatics_file_instructions: Path | None = setting(
        check.file,
        "Text file with the instructions; a change takes effect with the next call.",
        also=("OPENAI_FILE_INSTRUCTIONS",),
    )
    agents_dir: Path | None = setting(
        check.directory,
        "Directory of agents, one YAML file each. The number called or `?agent=` selects the "
        "agent; see [Agents](agents.md).",
    )
    speechmatics_welcome_message: str | None = manner(
        "welcome",
        check.text,
        "What the agent says first, whatever the language; may contain facts of the call such as "
        "`{from}`. Empty: the caller speaks first.",
        default=None,
        default_text="`Hello, how can I help you?`, in the agent's language",
        may_be_empty=True,
        common=True,
    )
    disclosure: str = manner(
        "disclosure",
        notice,
        "What callers hear before the welcome and cannot interrupt: that a machine speaks. `on`: "
        "the sentence of the agent's language, such as `I am an automated assistant.`; your own "
        "sentence; `off` or empty: nothing. It is not said twice if the welcome says so.",
        NOTICE,
        default="on",
        may_be_empty=True,
    )
    recording_notice: str | None = manner(
        "recording_notice",
        notice,
        "What callers hear first and cannot interrupt: that the call is recorded. `on`: the "
        "sentence of the agent's language, such as `This call is recorded.`; your own sentence; "
        "`off` or empty: nothing.",
        NOTICE,
        default=None,
        default_text="`off`; with `HISTORY=recordings` a warning asks for a choice",
        may_be_empty=True,
    )
    faq_file: Path | None = setting(
        check.file,
        "FAQ (YAML) of the scripted receptionist, which answers while no model is configured.",
        default_text="built in",
    )
    time_zone: ZoneInfo | None = setting(
        check.time_zone,
        "Time zone of the agent by its IANA name, such as `Europe/Berlin`. The model is told "
        "weekday, date and time as a call begins.",
        default_text="the machine's; a container has UTC",
    )
