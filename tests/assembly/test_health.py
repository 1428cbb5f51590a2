"""The part of `/health` about services, before and after a start; the whole is in test_server."""

from tests.support import Serve

from avr_sts_speechmatics.assembly.health import health_of
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox, scripted
from avr_sts_speechmatics.settings import Settings


def test_before_the_parts_are_open_nothing_is_known() -> None:
    health = health_of(Settings(), None)
    assert health["engine"] == "sandbox"
    assert health["service_states"] == {}
    assert health["phrases_missing"] is None
    assert health["records"] == {"keeps": "off"}


async def test_afterwards_the_parts_are_asked(serve: Serve) -> None:
    async with running_sandbox(scripted()) as cloud, serve(cloud) as server:
        health = health_of(server.settings, server._parts)
        assert health["engine"] == "cloud"
        assert health["service_states"].keys() == {"stt", "llm", "tts"}
        assert health["phrases_missing"] == 0
        assert health.items() <= server.health().items()
