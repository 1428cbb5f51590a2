"""Settings: the language model (LLM) that answers the caller."""

from dataclasses import dataclass

from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.settings.declaration import setting
from avr_sts_speechmatics.values import Secret

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, kw_only=True)
class LanguageModel:
    """The model, its server and its limits."""

    openai_api_key: Secret | None = setting(
        check.api_key,
        "Key of the model (LLM). With neither this key nor `OPENAI_BASE_URL` no model answers; "
        "see `THINKING`.",
        common=True,
    )
    openai_base_url: str | None = setting(
        check.base_url("http", "https", without="/chat/completions"),
        "Address of an OpenAI-compatible server (vLLM, Ollama, llama.cpp), such as "
        "`http://localhost:11434/v1`.",
        default_text="OpenAI",
    )
    openai_model: str = setting(
        check.name, "Name of the model that answers callers.", "gpt-6-luna", common=True
    )
    openai_temperature: float | None = setting(
        check.number(0, 2), "Sampling temperature, 0 to 2.", default_text="the server's"
    )
    openai_max_tokens: int = setting(
        check.whole(1, 100_000, "tokens"), "Longest answer (tokens, reasoning included).", 300
    )
    history_tokens: int = setting(
        check.whole(500, 10_000_000, "tokens"),
        "Longest conversation in a request (tokens, estimated at 4 characters each), without "
        "instructions and tools. Of a longer call the oldest turns are left out, with a note of "
        "names, numbers and tools that occurred in them.",
        8000,
    )
    openai_reasoning_effort: str | None = setting(
        check.one_of(*EFFORTS),
        "How much the model may reason before it speaks: "
        f"{', '.join(f'`{effort}`' for effort in EFFORTS)}.",
        default_text="`none` at OpenAI, not sent to other servers",
    )
    thinking: str = setting(
        check.one_of("auto", "receptionist"),
        "`auto`: the model answers. Without a model the scripted receptionist answers from "
        "`FAQ_FILE`, or offline from the sample FAQ; with `SPEECHMATICS_API_KEY` alone, callers "
        "hear one sentence and `ON_FAILURE` is carried out. `receptionist`: the scripted "
        "receptionist always answers.",
        "auto",
    )
