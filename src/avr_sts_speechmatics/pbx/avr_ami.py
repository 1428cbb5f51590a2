"""The service avr-ami, which hangs up and transfers for AVR's connectors over HTTP.

It knows only calls whose dialplan ran `AudioSocket()` while it was running, and 200 from it means
that it passed the request on, not that Asterisk did it. `ami.Ami` has neither limit; this is for
installations that have avr-ami already. [AVR protocol, 5]
"""

import asyncio
import logging

import aiohttp
import msgspec

from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.pbx.protocol import PbxError, check_destination

DEED_S = 2.5
"""Longest time for a deed, a second try included (s)."""

CONNECT_S = 0.9
"""Longest wait for a connection (s): two of them and the pause between fit into DEED_S."""

RETRY_AFTER_S = 0.5
"""How long after it could not be reached it is tried again, once (s)."""

# Nothing can have been asked yet.
_UNREACHED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)

_NOBODY = "00000000-0000-0000-0000-000000000000"

_log = logging.getLogger(__name__)


class _Reply(msgspec.Struct):
    message: str


class AvrAmi:
    """Implements `exchange.Exchange`. url: the service's address; a path before its own is kept."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    async def hang_up(self, caller: Caller) -> None:
        await self._do("hung up", "/hangup", {"uuid": caller.uuid.lower()})

    async def transfer(self, caller: Caller, extension: str, context: str, priority: int) -> None:
        check_destination(extension, context, priority)
        body: dict[str, str | int] = {
            "uuid": caller.uuid.lower(),
            "exten": extension,
            "context": context,
            "priority": priority,
        }
        await self._do("transferred", "/transfer", body)

    async def check(self) -> str:
        """It has nothing made for this: it is asked to hang up a call that cannot be."""
        try:
            status, body = await self._post("/hangup", {"uuid": _NOBODY})
        except (TimeoutError, aiohttp.ClientError) as error:
            raise PbxError(
                f"avr-ami cannot be reached at {self._url}: check AMI_URL, and that it runs "
                f"({_reason(error)})"
            ) from error
        try:
            msgspec.json.decode(body, type=_Reply)
        except msgspec.DecodeError as error:
            raise PbxError(
                f"what answers at {self._url} (status {status}) is not avr-ami: check AMI_URL"
            ) from error
        if status != 404:
            raise PbxError(
                f"avr-ami at {self._url} answers with status {status} where it should not know a "
                "call: see its log"
            )
        return (
            f"avr-ami answers at {self._url}; whether it is logged in to Asterisk cannot be seen "
            "from here, and calls made by Dial(AudioSocket/...) are unknown to it"
        )

    async def close(self) -> None:
        """Nothing to close: no connection outlives its deed."""

    async def _do(self, done: str, path: str, body: dict[str, str | int]) -> None:
        """Ask for a deed. done: "hung up" or "transferred". Raises PbxError."""
        try:
            status, reply = await self._post(path, body)
        except _UNREACHED as error:
            _log.warning("avr-ami cannot be reached at %s: %s", self._url, _reason(error))
            raise PbxError(
                f"the call was not {done}: the telephone exchange cannot be reached; "
                "the call goes on"
            ) from error
        except (TimeoutError, aiohttp.ClientError) as error:
            _log.warning("avr-ami at %s gives no answer: %s", self._url, _reason(error))
            raise PbxError(
                "the telephone exchange did not answer; "
                f"it is not known whether the call was {done}"
            ) from error
        if status == 404:
            _log.warning(
                "avr-ami does not know this call: it sees only those that run AudioSocket() in the "
                "dialplan, not Dial(AudioSocket/...), and forgets all when it is restarted"
            )
            raise PbxError(
                f"the call was not {done}: the telephone exchange does not know this call, so it "
                "can be neither transferred nor hung up; the call goes on"
            )
        if status != 200:
            _log.warning("avr-ami answers %s with status %d: %r", path, status, reply[:200])
            raise PbxError(
                f"the call was not {done}: the telephone exchange failed; the call goes on"
            )

    async def _post(self, path: str, body: dict[str, str | int]) -> tuple[int, bytes]:
        """Status and beginning of the body. Tried again only where nothing was asked yet: a
        transfer done twice begins the other extension anew."""
        connecting = aiohttp.ClientTimeout(sock_connect=CONNECT_S)
        async with asyncio.timeout(DEED_S), aiohttp.ClientSession(timeout=connecting) as http:
            try:
                return await self._post_once(http, path, body)
            except _UNREACHED as error:
                _log.info("%s; trying again in %.1f s", _reason(error), RETRY_AFTER_S)
            await asyncio.sleep(RETRY_AFTER_S)
            return await self._post_once(http, path, body)

    async def _post_once(
        self, http: aiohttp.ClientSession, path: str, body: dict[str, str | int]
    ) -> tuple[int, bytes]:
        async with http.post(self._url + path, json=body, allow_redirects=False) as response:
            return response.status, await response.content.read(1000)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
