"""Advice for operators of avr-app, the panel that starts a container of this service per agent.

The panel's form for this service has fields for Speechmatics' key and region only. Everything else
reaches the container through the panel's REST API. [AVR protocol, 12]
"""

from collections.abc import Iterator, Mapping

from avr_sts_speechmatics.settings.settings import Settings

_MARK = "PROVIDER_STS_ID"
"""Variable that the panel, and nothing else, gives to the container of a speech-to-speech agent."""

_HOW = (
    "store it in config.env of the provider by avr-app's REST API (PATCH /providers/{provider}), "
    "then stop the agent and run it again; docs/avr-app.md shows the call."
)


def advice(settings: Settings, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield one sentence for each key that a container started by the panel lacks."""
    if _MARK not in environ:
        return
    how = _HOW.format(provider=environ[_MARK])
    if settings.speechmatics_api_key is None:
        yield (
            "avr-app started this container without SPEECHMATICS_API_KEY: fill in the field of "
            "the provider in avr-app's form, then stop the agent and run it again."
        )
    chosen = settings.thinking == "receptionist" or settings.faq_file is not None
    if not settings.has_llm and not chosen:
        yield (
            "avr-app started this container without OPENAI_API_KEY, for which its form has no "
            f"field: {how}"
        )
