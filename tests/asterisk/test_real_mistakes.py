"""The mistakes of docs/asterisk.md, made on a real Asterisk, are in the logs as the page says."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.asterisk.agent_cloud import agent_cloud
from tests.asterisk.etc import NO_ANSWER, NO_CODEC, NO_JSON, NO_SUCH_CODEC, NO_UUID
from tests.asterisk.g711 import MU_LAW
from tests.asterisk.phone import NoAnswer, call
from tests.asterisk.rig import Rig
from tests.asterisk.service import serving
from tests.support import ROOT

PAGE = (ROOT / "docs/asterisk.md").read_text()
OTHER_CODEC = replace(MU_LAW, payload_type=9, name="G722")
"""Of a telephone that offers nothing that is allowed."""

CALLS = 3


async def test_the_logs_say_what_the_page_quotes(asterisk_root: Path) -> None:
    with Rig(asterisk_root) as rig:
        # Nobody is there, or nobody answers.
        for extension in ("5001", "5004", NO_UUID):
            await hung_up_on(rig, extension)
        with no_answer() as port:
            rig.cli(f"dialplan set global NOWHERE 127.0.0.1:{port}")
            await hung_up_on(rig, NO_ANSWER)
        async with agent_cloud(CALLS) as (cloud, _):
            async with serving(cloud, rig.ports) as service:
                for extension in (NO_JSON, NO_SUCH_CODEC):
                    await hung_up_on(rig, extension)
                for extension in ("5001", NO_CODEC[0]):
                    async with call(rig.sip, extension) as phone:
                        await phone.until(lambda: "call begins" in service.log())
                        await phone.stay(1)
                said = service.log()
            async with serving(cloud, rig.ports, require_call="true") as service:
                await hung_up_on(rig, "5001")
                said += service.log()
        with pytest.raises(NoAnswer, match="488"):
            async with call(rig.sip, "5001", law=OTHER_CODEC):
                pass
        for module, extension in (
            ("func_uuid", "5001"), ("func_curl", "5010"), ("chan_websocket", "5004"),
        ):  # fmt: skip
            rig.cli(f"module unload {module}.so")
            await hung_up_on(rig, extension)
        asterisk_said = rig.log()

    assert [words for words in quoted("service") if not is_in(said, words)] == []
    assert [words for words in quoted("Asterisk") if not is_in(asterisk_said, words)] == []


async def hung_up_on(rig: Rig, extension: str) -> None:
    async with call(rig.sip, extension) as phone:
        await phone.until_hung_up(timeout=15)


@contextmanager
def no_answer() -> Iterator[int]:
    """A port of 127.0.0.1 that takes no connection and refuses none, as behind a firewall."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as last:
        last.connect(full.getsockname())
        yield full.getsockname()[1]


def quoted(who: str) -> list[str]:
    """What the page says is in the log of "service" or "Asterisk"."""
    found = [
        words
        for said in re.findall(rf"{who}:? (?:says )?((?:(?:, |, or )?`[^`]+`)+)", PAGE)
        for words in re.findall(r"`([^`]+)`", said)
    ]
    assert len(found) >= 5
    return found


def is_in(log: str, words: str) -> bool:
    pattern = r".*".join(re.escape(part) for part in " ".join(words.split()).split("…"))
    return re.search(pattern, log) is not None
