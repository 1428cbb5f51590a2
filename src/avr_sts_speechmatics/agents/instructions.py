"""Sources of instructions outside the settings: a text file that may change, and a web service.

The module `agents` chooses the source of a call [AVR protocol, 10]. This module reads and checks
each source. If a file that was read once becomes unusable, its last good text stays in use. A reply
of the web service that is late, too long or malformed is rejected as a whole.
"""

import asyncio
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec
from yarl import URL

from avr_sts_speechmatics.agents.agent import VoiceChoice, voice_choice
from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.settings import checks as check

DEFAULT_INSTRUCTIONS = (
    "You are a friendly telephone agent. Your words are spoken aloud to a caller: answer in one "
    "or two short sentences of plain speech, without lists, headings, links or symbols. Ask one "
    "thing at a time. If you did not understand, say so and ask. Never invent facts; if you do "
    "not know, say that and offer what you can do instead."
)
"""Instructions of an agent that has none from any source."""

INSTRUCTIONS_MAX = 100_000
"""Longest instructions (characters). The model reads all of them before each answer."""

WELCOME_MAX = 2_000
"""Longest welcome from the web service (characters): two minutes of speech."""

REPLY_MAX = 1_000_000
"""Longest reply of the web service (bytes)."""

TOOLS_MAX = 100
"""Most tools that a reply of the web service may name."""

ASK_S = 2.0
"""Longest time for the whole reply of the web service (s): the caller hears nothing yet."""

_REDIRECTS = 3

_log = logging.getLogger(__name__)


def instructions_text(value: object) -> str:
    """Check instructions and strip space around them. Raises InvalidValue."""
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > INSTRUCTIONS_MAX:
        raise InvalidValue(f"give a text of 1 to {INSTRUCTIONS_MAX} characters")
    return text


class InstructionsFile:
    """A text file that is read again when it has changed.

    The constructor raises InvalidValue if the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark = self._look()
        self._text = self._read()
        self._failing = False

    def text(self) -> str:
        """Return the current text; the last good text if the file is missing or unusable.

        Blocks for one stat, and for one read if the file has changed: call it once in a call.
        """
        try:
            mark = self._look()
            if mark != self._mark:
                self._text = self._read()
                self._mark = mark
                _log.info("%s has changed and is used from this call on", self._path)
        except InvalidValue as wrong:
            if not self._failing:
                _log.warning("%s: %s; calls continue with the previous text", self._path, wrong)
            self._failing = True
        else:
            self._failing = False
        return self._text

    def _look(self) -> tuple[int, int, int]:
        """Identity of the file's content: mtime, size, inode.

        The identity changes when the file is edited or replaced. It is taken before the read, so
        the next call notices a change during the read.
        """
        try:
            entry = os.stat(self._path)
        except OSError as error:
            raise InvalidValue(f"cannot be read ({error.strerror})") from error
        return entry.st_mtime_ns, entry.st_size, entry.st_ino

    def _read(self) -> str:
        most = 4 * INSTRUCTIONS_MAX  # bytes; a UTF-8 character has at most four
        try:
            with self._path.open("rb") as file:
                raw = file.read(most + 1)
            return instructions_text(raw.decode("utf-8-sig") if len(raw) <= most else "")
        except OSError as error:
            raise InvalidValue(f"cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise InvalidValue("not text in UTF-8") from error


@dataclass(frozen=True, slots=True)
class Instructed:
    """The web service's reply for one call, checked.

    instructions: instructions for the model.
    welcome: welcome of this call; None if the reply has none.
    voice: voice of this call; None if the reply has none.
    language: Speechmatics code of the caller's language; None if the reply has none.
    tools: names of the tools that the agent may use; None if the reply has none.
    """

    instructions: str
    welcome: str | None
    voice: VoiceChoice | None
    language: str | None
    tools: frozenset[str] | None


class NotInstructed(Exception):
    """The web service gave no usable reply. The text of the error quotes nothing of the reply."""


class InstructionsService:
    """The web service of SPEECHMATICS_URL_INSTRUCTIONS.

    url: address of the service. A request is a GET with the facts of the call as query parameters
        and the uuid of the call in the header `X-AVR-UUID`. [AVR protocol, 10]
    within_s: longest time for the whole reply (s).
    """

    def __init__(self, url: str, *, within_s: float = ASK_S) -> None:
        self._url = URL(url)
        self._within_s = within_s
        self._pool: aiohttp.ClientSession | None = None

    async def ask(self, caller: Caller) -> Instructed:
        """Ask for the instructions of a call. Raises NotInstructed; cancelling is safe."""
        try:
            async with asyncio.timeout(self._within_s):
                body = await self._get(caller)
        except TimeoutError:
            raise NotInstructed(f"no whole answer within {self._within_s:g} s") from None
        except aiohttp.ClientConnectorError as error:
            raise NotInstructed(str(error)) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # The text of the error may quote the address, which contains the caller's number.
            raise NotInstructed(f"the request failed ({type(error).__name__})") from error
        return _checked(body)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def _get(self, caller: Caller) -> bytes:
        """Return the body of a reply with status 200. Raises NotInstructed."""
        # A fact of the call must not replace a parameter of the address, such as a token.
        facts = {name: fact for name, fact in caller.facts.items() if name not in self._url.query}
        headers = {"X-AVR-UUID": caller.uuid, "Accept": "application/json"}
        async with self._session().get(
            self._url.extend_query(facts), headers=headers, max_redirects=_REDIRECTS
        ) as response:
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
                # A cookie set for one caller would be sent with the next caller's request.
                cookie_jar=aiohttp.DummyCookieJar(),
                # A compressed reply may be small on the wire and huge in memory.
                headers={"Accept-Encoding": "identity"},
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._pool


class _Reply(msgspec.Struct):
    """The fields of the reply that are read; other fields are ignored."""

    system: str
    welcome: str | None = None
    voice: str | dict[str, str | None] | None = None
    language: str | None = None
    tools: list[str] | None = None


def _checked(body: bytes) -> Instructed:
    """Decode and check a reply. Raises NotInstructed."""
    try:
        reply = msgspec.json.decode(body, type=_Reply)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        what = str(error) if isinstance(error, msgspec.ValidationError) else "not JSON"
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
