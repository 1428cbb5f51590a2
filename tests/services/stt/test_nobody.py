"""A call that nobody answers: its STT fails at once, for good. Whole calls: tests/calls."""

import pytest

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.services.stt.nobody import NobodyStt


async def test_the_stream_takes_audio_and_fails_at_once_for_good() -> None:
    stream = NobodyStt()
    stream.hear(bytes(320))
    with pytest.raises(ServiceError, match="OPENAI_API_KEY or OPENAI_BASE_URL") as caught:
        await stream.run()
    assert not caught.value.retryable
