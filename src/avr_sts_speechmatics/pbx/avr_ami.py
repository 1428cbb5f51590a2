"""Hang-up and transfer over HTTP by avr-ami, the service that AVR's connectors use.

avr-ami knows only calls whose dialplan ran `AudioSocket()` while avr-ami was running. Its status
200 means that the request was passed on to Asterisk, not that Asterisk carried out the request.
`ami.Ami` has neither limit; this module is for installations that have avr-ami already.
[AVR protocol, 5]
"""

import asyncio
import logging
from urllib.parse import urlsplit

import aiohttp
import msgspec

from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.network import connection_errors, running_time
from avr_sts_speechmatics.network.untrusted_json import BadJson, decode
from avr_sts_speechmatics.pbx.protocol import PbxError, check_destination

DEED_S = 2.5
"""Longest time for one hang-up or transfer, including a second try (s)."""

CONNECT_S = 0.9
"""Longest wait for a connection (s). Two such waits and RETRY_AFTER_S fit into DEED_S."""

RETRY_AFTER_S = 0.5
"""Pause before the one retry, after avr-ami could not be reached (s)."""

# Errors after which avr-ami cannot have received the request.
_UNREACHED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)

_NOBODY = "00000000-0000-0000-0000-000000000000"

_log = logging.getLogger(__name__)


class _Reply(msgspec.Struct):
    message: str


class AvrAmi:
    """Asterisk, controlled through avr-ami. Implements `pbx.protocol.Pbx`.

    url: avr-ami's base address. A path in the address is kept; `/hangup` or `/transfer` is
        appended. A query stays behind the path, and no message shows it.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._parts = parts._replace(path=parts.path.rstrip("/"))
        self._url = self._parts._replace(query="").geturl()

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
        """Ask avr-ami to hang up a call that cannot exist: avr-ami has no health check."""
        try:
            status, body = await self._post("/hangup", {"uuid": _NOBODY})
        except (TimeoutError, aiohttp.ClientError) as error:
            raise PbxError(
                f"avr-ami cannot be reached at {self._url}: check AMI_URL, and that it runs "
                f"({self._reason(error)})"
            ) from error
        try:
            decode(body, _Reply)
        except BadJson as error:
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
        """Do nothing: each connection is closed after one action."""

    async def _do(self, done: str, path: str, body: dict[str, str | int]) -> None:
        """Ask avr-ami for one action.

        done: the action in the past tense, "hung up" or "transferred".
        path: path of the request, below the base address.
        body: the JSON body of the request.

        Raises PbxError, whose text is for the model.
        """
        try:
            status, reply = await self._post(path, body)
        except _UNREACHED as error:
            _log.warning("avr-ami cannot be reached at %s: %s", self._url, self._reason(error))
            raise PbxError(
                f"the call was not {done}: the phone system cannot be reached; the call goes on"
            ) from error
        except (TimeoutError, aiohttp.ClientError) as error:
            _log.warning("avr-ami at %s gives no answer: %s", self._url, self._reason(error))
            raise PbxError(
                f"the phone system did not answer; it is not known whether the call was {done}"
            ) from error
        if status == 404:
            _log.warning(
                "avr-ami does not know this call: avr-ami sees only calls that run AudioSocket() "
                "in the dialplan, not Dial(AudioSocket/...), and forgets all calls in a restart"
            )
            raise PbxError(
                f"the call was not {done}: the phone system does not know this call, so the call "
                "can be neither transferred nor hung up; the call goes on"
            )
        if status != 200:
            _log.warning("avr-ami answers %s with status %d: %r", path, status, reply[:200])
            raise PbxError(f"the call was not {done}: the phone system failed; the call goes on")

    def _reason(self, error: Exception) -> str:
        if connection_errors.never_connected(error):
            return connection_errors.reason(error, self._url)
        return str(error) or type(error).__name__

    async def _post(self, path: str, body: dict[str, str | int]) -> tuple[int, bytes]:
        """Post a request; returns the status and the first 1000 bytes of the body.

        Retried only if avr-ami cannot have received the request: a transfer done twice would
        start the target extension a second time.
        """
        connecting = aiohttp.ClientTimeout(sock_connect=CONNECT_S)
        async with running_time.timeout(DEED_S), aiohttp.ClientSession(timeout=connecting) as http:
            try:
                return await self._post_once(http, path, body)
            except _UNREACHED as error:
                _log.info("%s; trying again in %.1f s", self._reason(error), RETRY_AFTER_S)
            await asyncio.sleep(RETRY_AFTER_S)
            return await self._post_once(http, path, body)

    async def _post_once(
        self, http: aiohttp.ClientSession, path: str, body: dict[str, str | int]
    ) -> tuple[int, bytes]:
        url = self._parts._replace(path=self._parts.path + path).geturl()
        async with http.post(url, json=body, allow_redirects=False) as response:
            return response.status, await response.content.read(1000)
