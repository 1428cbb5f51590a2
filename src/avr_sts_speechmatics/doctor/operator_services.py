"""Checks of the operator's programs around the service: PBX, webhook, instructions, Redis.

Each check is a request without effect: no call is touched and no event is posted.
"""

import asyncio
import ssl
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from avr_sts_speechmatics.agents.instructions import InstructionsService, NotInstructed
from avr_sts_speechmatics.doctor.check import Check, answered, check_from
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.network.proxies import Proxy
from avr_sts_speechmatics.network.redis_address import RedisAddress
from avr_sts_speechmatics.network.websocket import tunnel
from avr_sts_speechmatics.pbx.protocol import Pbx, PbxError
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.shared_state.link import RedisLink

WEBHOOK_S = 5.0
"""Longest wait for the webhook's server to accept a connection (s)."""

_SETTING = "Set AMI_HOST, or AMI_URL for avr-ami; or take the other setting out."


async def pbx(chosen: Settings, there: Pbx | None) -> list[Check]:
    """Check whether calls can be hung up and transferred.

    there: the PBX client, or None. The client is closed.
    """
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
    if chosen.on_busy.startswith("transfer:"):
        detail = "ON_BUSY cannot transfer without one: the call is ended instead"
        yield Check("pbx", "warning", detail, _SETTING)


async def webhook(url: str, proxy: Proxy | None) -> Check:
    """Check that the webhook's server accepts a connection. No event is posted.

    proxy: the HTTP proxy to connect through, or None. Where events would be sent without a tunnel,
        only the proxy is reached.
    """
    secure = urlsplit(url).scheme == "https"
    begun = time.monotonic()
    try:
        async with asyncio.timeout(WEBHOOK_S):
            if proxy is not None and secure:
                transport = await tunnel(proxy, url, tls=ssl.create_default_context())
            elif proxy is not None:
                transport = await _connected(proxy.address, None)
            else:
                transport = await _connected(url, secure or None)
    except (TimeoutError, OSError) as error:
        why = str(error) or f"no connection within {WEBHOOK_S:.0f} s"
        advice = (
            "Check WEBHOOK_URL, and that its server runs. Until then events are lost; calls work."
        )
        return Check("webhook", "warning", why, advice)
    took = time.monotonic() - begun
    # Aborted, not closed: closing TLS would wait for a slow server.
    transport.abort()
    return answered("webhook", "takes a connection; no event was sent", took)


async def _connected(url: str, tls: bool | None) -> asyncio.Transport:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(
        asyncio.Protocol, parts.hostname or "", port, ssl=tls
    )
    return transport


async def redis(address: RedisAddress, prefix: str) -> Check:
    """Check that the server which machines share takes all commands that calls need."""
    begun = time.monotonic()
    try:
        link = RedisLink(address, prefix)
    except SettingsError as error:
        return check_from("redis", "failed", str(error), ": ", "Install the package.")
    await link.start()
    took, state = time.monotonic() - begun, link.state
    await link.close()
    if state.up:
        return answered("redis", f"{address.shown}: takes all commands that calls need", took)
    advice = (
        "Check REDIS_URL, and that its server runs. Until then calls go on, but a call that was "
        "announced to another machine counts as not announced."
    )
    return Check("redis", "warning", state.error, advice)


async def instructions(chosen: Settings, url: str) -> Check:
    """Check that the web service returns instructions for a call."""
    service = InstructionsService(url, proxy=chosen.proxies.for_url(url))
    begun = time.monotonic()
    try:
        await service.ask(Caller("doctor", "doctor"))
    except NotInstructed as error:
        has_file = chosen.speechmatics_file_instructions is not None
        advice = (
            "Correct SPEECHMATICS_URL_INSTRUCTIONS or the web service; until then calls use "
            f"{'SPEECHMATICS_FILE_INSTRUCTIONS' if has_file else 'the default text'}."
        )
        return Check("instructions", "warning", str(error), advice)
    finally:
        await service.close()
    return answered("instructions", "are told", time.monotonic() - begun)
