"""Instructions from outside the settings: a file that may change, and a web service.

A text in the settings wins over the web service, the web service over the file, and the file over
the default text [AVR protocol, 10]; `agents` keeps that order. This module reads the two sources
and bounds them. A file that cannot be read any more counts as it was last read. A reply of the web
service that is late, too long or malformed is not used at all.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec
from yarl import URL

from avr_sts_speechmatics.agents.agent import VoiceChoice, voice_choice
from avr_sts_speechmatics.call_in_log import trace_headers
from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.language_packs import ENGLISH
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.network import connection_errors, running_time
from avr_sts_speechmatics.network.proxies import Proxy, failure_of
from avr_sts_speechmatics.network.untrusted_json import BadJson, decode
from avr_sts_speechmatics.settings import checks as check

DEFAULT_INSTRUCTIONS = ENGLISH.instructions
"""Instructions of an English agent that no source gives instructions to."""

INSTRUCTIONS_MAX = 100_000
"""Longest instructions (characters): models take little more, and every character takes time."""

WELCOME_MAX = 2_000
"""Longest welcome from the web service (characters): two minutes of speech."""

REPLY_MAX = 1_000_000
"""Longest reply of the web service (bytes)."""

TOOLS_MAX = 100
"""Most tools that a reply of the web service may name."""

ASK_S = 2.0
"""How long the web service may take for its whole reply (s): the caller waits meanwhile."""

_REDIRECTS = 3

_log = logging.getLogger(__name__)


def instructions_text(value: object) -> str:
    """Check instructions. Raises InvalidValue."""
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > INSTRUCTIONS_MAX:
        raise InvalidValue(f"give a text of 1 to {INSTRUCTIONS_MAX} characters")
    return text


class InstructionsFile:
    """A text file that is read again when it has changed.

    Raises InvalidValue if the file cannot be used now.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mark = self._look()
        self._text = self._read()
        self._failing = False

    def text(self) -> str:
        """The text of the file, or its last usable text if the file is gone or unusable.

        Costs one `stat` for each call, and a read if the file has changed.
        """
        try:
            mark = self._look()
            if mark != self._mark:
                self._text = self._read()
                self._mark = mark
                _log.info("%s has changed and is used from this call on", self.path)
        except InvalidValue as wrong:
            if not self._failing:
                _log.warning("%s: %s; calls go on with its former text", self.path, wrong)
            self._failing = True
        else:
            self._failing = False
        return self._text

    def _look(self) -> tuple[int, int, int]:
        """Identity of the file's content (mtime, size, inode).

        It changes when the file is edited or replaced. Taken before reading, so that the next call
        sees a change that happens meanwhile. Raises InvalidValue.
        """
        try:
            entry = os.stat(self.path)
        except OSError as error:
            raise InvalidValue(f"cannot be read ({error.strerror})") from error
        return entry.st_mtime_ns, entry.st_size, entry.st_ino

    def _read(self) -> str:
        most = 4 * INSTRUCTIONS_MAX  # bytes; a UTF-8 character has at most four
        try:
            with self.path.open("rb") as file:
                raw = file.read(most + 1)
            return instructions_text(raw.decode("utf-8-sig") if len(raw) <= most else "")
        except OSError as error:
            raise InvalidValue(f"cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise InvalidValue("not text in UTF-8") from error


@dataclass(frozen=True, slots=True)
class Instructed:
    """The web service's reply for one call. A value that the reply does not set is None."""

    instructions: str
    welcome: str | None
    voice: VoiceChoice | None
    language: str | None
    tools: frozenset[str] | None


class NotInstructed(Exception):
    """The web service gave no usable reply. The text quotes nothing of the reply."""


class InstructionsService:
    """The web service of SPEECHMATICS_URL_INSTRUCTIONS.

    url: receives a GET with the call's parameters in the query and the uuid in `X-AVR-UUID`.
    within_s: longest time for a whole reply (s). [AVR protocol, 10]
    proxy: the HTTP proxy to connect through, or None.
    """

    def __init__(self, url: str, *, within_s: float = ASK_S, proxy: Proxy | None = None) -> None:
        self._url = URL(url)
        self._within_s = within_s
        self._proxy = proxy
        self._pool: aiohttp.ClientSession | None = None

    async def ask(self, caller: Caller) -> Instructed:
        """Ask for the instructions of a call. Raises NotInstructed. Cancelling is safe."""
        try:
            async with running_time.timeout(self._within_s):
                body = await self._get(caller)
        except TimeoutError:
            raise NotInstructed(f"no whole answer within {self._within_s:g} s") from None
        except aiohttp.ClientConnectorError as error:
            if (proxy := failure_of(error, self._proxy)) is not None:
                raise NotInstructed(str(proxy)) from error
            raise NotInstructed(connection_errors.why(error, str(self._url))) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if (proxy := failure_of(error, self._proxy)) is not None:
                raise NotInstructed(str(proxy)) from error
            # The library's text may quote the address, which holds the caller's number.
            raise NotInstructed(f"the request failed ({type(error).__name__})") from error
        return _checked(body)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def _get(self, caller: Caller) -> bytes:
        """Request the instructions; return the body of the reply.

        Raises NotInstructed for a status other than 200 and for more than REPLY_MAX bytes.
        """
        # A caller must not override a parameter of the address, such as a token.
        facts = {name: fact for name, fact in caller.facts.items() if name not in self._url.query}
        headers = {"X-AVR-UUID": caller.uuid, "Accept": "application/json", **trace_headers()}
        async with self._session().get(
            self._url.extend_query(facts), headers=headers, max_redirects=_REDIRECTS
        ) as response:
            if response.status == 407 and self._proxy is not None:
                raise NotInstructed(str(self._proxy.refusal(407)))
            if response.status != 200:
                raise NotInstructed(f"status {response.status}")
            body = bytearray()
            async for piece in response.content.iter_any():
                body += piece
                if len(body) > REPLY_MAX:
                    raise NotInstructed(f"a reply of more than {REPLY_MAX} bytes")
            return bytes(body)

    def _session(self) -> aiohttp.ClientSession:
        if self._pool is None:
            self._pool = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
                # A cookie of one caller's reply must not be sent with the next caller's request.
                cookie_jar=aiohttp.DummyCookieJar(),
                # A compressed reply could be small on the wire and huge in memory.
                headers={"Accept-Encoding": "identity"},
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None),
                proxy=None if self._proxy is None else self._proxy.url.reveal(),
            )
        return self._pool


class _Reply(msgspec.Struct):
    """The keys of a reply that are read; other keys are ignored."""

    system: str
    welcome: str | None = None
    voice: str | dict[str, str | None] | None = None
    language: str | None = None
    tools: list[str] | None = None


def _checked(body: bytes) -> Instructed:
    """Check a reply. Raises NotInstructed."""
    try:
        reply = decode(body, _Reply)
    except BadJson as error:
        wrong_type = isinstance(error.__cause__, msgspec.ValidationError)
        what = str(error) if wrong_type else "not JSON"
        raise NotInstructed(f'not a reply such as {{"system": "..."}}: {what}') from error
    key = "system"
    try:
        instructions = instructions_text(reply.system)
        key = "welcome"
        if len(reply.welcome or "") > WELCOME_MAX:
            raise InvalidValue(f"give at most {WELCOME_MAX} characters")
        key = "voice"
        voice = None if reply.voice is None else voice_choice(reply.voice)
        key = "language"
        language = None if reply.language is None else check.language(reply.language)
        key = "tools"
        tools = None if reply.tools is None else frozenset(map(tool_name, reply.tools))
        if tools is not None and len(tools) > TOOLS_MAX:
            raise InvalidValue(f"give at most {TOOLS_MAX} names")
    except InvalidValue as wrong:
        raise NotInstructed(f"its {key} cannot be used: {wrong}") from wrong
    return Instructed(instructions, reply.welcome, voice, language, tools)


def tool_name(value: object) -> str:
    """Check the name of a tool. Raises InvalidValue."""
    if isinstance(value, str) and value:
        return check.name(value)
    raise InvalidValue("give the names of tools; [] for none")
