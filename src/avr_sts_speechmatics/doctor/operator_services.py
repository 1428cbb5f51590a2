"""The operator's own programs around the service: exchange, webhook, instructions.

Each is asked something that does nothing: no call is touched, no event posted.
"""

import asyncio
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from avr_sts_speechmatics.agents.instructions import InstructionsService, NotInstructed
from avr_sts_speechmatics.doctor.check import Check, answered, check_from
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.pbx.protocol import Pbx, PbxError
from avr_sts_speechmatics.settings import Settings

WEBHOOK_S = 5.0
"""Longest wait for the webhook's server to take a connection (s)."""

_SETTING = "Set AMI_HOST, or AMI_URL for avr-ami; or take the other setting out."


async def pbx(chosen: Settings, there: Pbx | None) -> list[Check]:
    """Whether calls can be hung up and transferred."""
    found = list(_without_effect(chosen, has_pbx=there is not None))
    if there is None:
        nothing = (
            "neither AMI_HOST nor AMI_URL is set: with one the agent can end calls and, with "
            "TRANSFER_ALLOW, transfer them"
        )
        return found or [Check("pbx", "skipped", nothing)]
    begun = time.monotonic()
    try:
        said = await there.check()
    except PbxError as error:
        return [*found, check_from("pbx", "failed", str(error), ": ", "See Asterisk's log.")]
    finally:
        await there.close()
    return [*found, answered("pbx", said, time.monotonic() - begun)]


def _without_effect(chosen: Settings, *, has_pbx: bool) -> Iterator[Check]:
    if has_pbx:
        if chosen.ami_host is not None and chosen.ami_url is not None:
            detail = "AMI_URL has no effect, as AMI_HOST is set too"
            yield Check("pbx", "warning", detail, "Take AMI_URL out.")
        return
    if chosen.transfer_allow:
        yield Check("pbx", "warning", "TRANSFER_ALLOW has no effect without one", _SETTING)
    if chosen.on_failure.startswith("transfer:"):
        detail = "ON_FAILURE cannot transfer without one: the call is closed instead"
        yield Check("pbx", "warning", detail, _SETTING)


async def webhook(url: str) -> Check:
    """Whether the webhook's server takes a connection; nothing is posted to it."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    begun = time.monotonic()
    try:
        async with asyncio.timeout(WEBHOOK_S):
            _, writer = await asyncio.open_connection(parts.hostname, port, ssl=secure or None)
    except (TimeoutError, OSError) as error:
        why = str(error) or f"no connection within {WEBHOOK_S:.0f} s"
        advice = (
            "Check WEBHOOK_URL, and that its server runs: events are lost until then, calls go on."
        )
        return Check("webhook", "warning", why, advice)
    took = time.monotonic() - begun
    # No goodbye: a server that is slow at TLS must not be waited for.
    writer.transport.abort()
    return answered("webhook", "takes a connection; no event was sent", took)


async def instructions(chosen: Settings, url: str) -> Check:
    """Whether the web service has instructions for a call."""
    service = InstructionsService(url)
    begun = time.monotonic()
    try:
        await service.ask(Caller("doctor", "doctor"))
    except NotInstructed as error:
        has_file = chosen.speechmatics_file_instructions is not None
        advice = (
            "Correct SPEECHMATICS_URL_INSTRUCTIONS or what answers there; until then calls have "
            f"{'SPEECHMATICS_FILE_INSTRUCTIONS' if has_file else 'the default text'}."
        )
        return Check("instructions", "warning", str(error), advice)
    finally:
        await service.close()
    return answered("instructions", "are told", time.monotonic() - begun)
