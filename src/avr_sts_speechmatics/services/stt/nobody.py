"""The STT stream of a call that nobody answers, because no model is set.

The stream fails at once, so the call ends like every call without STT: the caller hears the whole
farewell of the agent, and ON_FAILURE is carried out. No speech is recognised meanwhile.
"""

from avr_sts_speechmatics.errors import ServiceError

REASON = (
    "no model answers callers; set OPENAI_API_KEY or OPENAI_BASE_URL, FAQ_FILE, or "
    "THINKING=receptionist"
)


class NobodyStt:
    """Implements `protocol.SttStream`."""

    def hear(self, pcm: bytes) -> None:
        """Drop the audio."""

    async def run(self) -> None:
        raise ServiceError("llm", REASON, retryable=False)
