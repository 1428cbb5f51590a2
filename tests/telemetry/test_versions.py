"""The versions in `/health`."""

import aiohttp
import pytest

from avr_sts_speechmatics.telemetry import versions


def test_a_library_that_is_installed_has_its_version_and_another_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(versions, "LIBRARIES", ("aiohttp", "no-such-library"))
    versions.versions.cache_clear()
    try:
        assert versions.versions() == {"aiohttp": aiohttp.__version__}
    finally:
        versions.versions.cache_clear()
