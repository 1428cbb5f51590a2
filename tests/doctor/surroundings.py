"""What the doctor's tests share: where it looks, and at what."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from avr_sts_speechmatics import doctor
from avr_sts_speechmatics.doctor import Check
from avr_sts_speechmatics.sandbox.scripted_cloud import RunningSandbox

NO_FILE = Path("/nonexistent/.env")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def somebody_elses() -> Iterator[int]:
    """A port that another program has."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def offline(**changes: str) -> dict[str, str]:
    """Settings with which nobody is asked, and one port is taken."""
    ports = {"EXTRA_PORTS": "", "AUDIOSOCKET_PORT": "0", "HTTP_PORT": "0"}
    return {"PORT": str(free_port())} | ports | changes


def environment(cloud: RunningSandbox, **changes: str) -> dict[str, str]:
    """The same, with a cloud that hears, speaks and thinks."""
    there = {
        "SPEECHMATICS_API_KEY": "speech-key",
        "SPEECHMATICS_RT_URL": cloud.rt_url,
        "SPEECHMATICS_TTS_URL": cloud.tts_url,
        "OPENAI_API_KEY": "thought-key",
        "OPENAI_BASE_URL": cloud.openai_url,
    }
    return offline(**there | changes)


async def looked_at(environ: Mapping[str, str], *parts: str) -> list[Check]:
    """What is found of these parts, in order."""
    found = await doctor.examine(environ, NO_FILE)
    return [check for check in found if check.what in parts]


async def examine(environ: Mapping[str, str]) -> dict[str, Check]:
    """The checks by what they looked at; of several with one name the last."""
    return {check.what: check for check in await doctor.examine(environ, NO_FILE)}
