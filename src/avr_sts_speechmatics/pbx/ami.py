"""Asterisk's manager interface (AMI): hangs up and transfers without any service between.

A deed is one short connection: log in, ask for all channels, find the caller's (`channels`), act
on it, wait for the answer. Nothing is kept: no connection to watch, no events to remember, so a
restart on either side loses nothing, and a wrong password or a missing right shows at the deed that
meets it. It costs little: logging in takes half a millisecond, the list 0.1 ms for a few channels.

The wire: lines `Key: value` ended by CR LF, a message ended by an empty line; the answer to a
request carries its ActionID, and so do the events of a list, the last one with
`EventList: Complete`. [Asterisk documentation, AMI v2 specification; measured, Asterisk 22]

The user needs `write = call` in manager.conf and nothing else, no `read`.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.pbx.channels import Channel, NotFoundError, channel_of
from avr_sts_speechmatics.pbx.protocol import PbxError, check_destination
from avr_sts_speechmatics.values import Secret

DEED_S = 3.0
"""Longest time for a deed, from connecting to Asterisk's answer (s)."""

NORMAL_CLEARING = "16"
"""Why the call ends, as the phone network counts causes (Q.850)."""

_NEEDED = ("Status", "Getvar", "Hangup", "Redirect")

_log = logging.getLogger(__name__)


class _Fault(Exception):
    """AMI cannot be used. The text tells the operator what to do."""


class _Silence(_Fault):
    """The connection was lost with a request under way, which may have been done."""


class _Refused(Exception):
    """Asterisk answered with an error; the text is its own."""


class _Session:
    """One connection. One request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._asked = 0

    async def banner(self) -> str:
        return (await self._reader.readuntil(b"\r\n")).decode("utf-8", "replace")

    async def ask(self, action: str, **fields: str) -> dict[str, str]:
        """Send a request; give the answer. Raises _Refused."""
        self._asked += 1
        asked = {"Action": action, "ActionID": str(self._asked), **fields}
        for name, value in asked.items():
            # A line too many would be a request too many.
            if re.search(r"[\0\r\n]", value):
                raise ValueError(f"{name} of {action} holds the end of a line")
        lines = "".join(f"{name}: {value}\r\n" for name, value in asked.items())
        self._writer.write(f"{lines}\r\n".encode("utf-8", "surrogateescape"))
        answer = await self._answer()
        if answer.get("Response") != "Success":
            raise _Refused(answer.get("Message", "no reason given"))
        return answer

    async def ask_list(self, action: str, **fields: str) -> list[dict[str, str]]:
        """Send a request that is answered by a list; give its events. Raises _Refused."""
        await self.ask(action, **fields)
        events = []
        while (event := await self._answer()).get("EventList") != "Complete":
            events.append(event)
        return events

    async def _answer(self) -> dict[str, str]:
        """The next message that belongs to the request."""
        while True:
            text = (await self._reader.readuntil(b"\r\n\r\n")).decode("utf-8", "surrogateescape")
            pairs = (line.partition(":") for line in text.split("\r\n"))
            message = {name: value.strip() for name, _, value in pairs}
            if message.get("ActionID") == str(self._asked):
                return message


class Ami:
    """Implements `exchange.Exchange`. username, password: a section of manager.conf."""

    def __init__(self, host: str, port: int, username: str, password: Secret) -> None:
        self._host = host
        self._port = port
        self._username = username
        self._password = password

    async def hang_up(self, caller: Caller) -> None:
        async with self._deed("hung up") as session:
            channel = await _find(session, caller)
            await session.ask("Hangup", Channel=channel, Cause=NORMAL_CLEARING)

    async def transfer(self, caller: Caller, extension: str, context: str, priority: int) -> None:
        check_destination(extension, context, priority)
        async with self._deed("transferred") as session:
            channel = await _find(session, caller)
            # Redirect succeeds for a place that does not exist, and the caller is thrown out.
            # Where the function is not loaded the value is empty: then nobody knows.
            place = f"DIALPLAN_EXISTS({context},{extension},{priority})"
            there = await session.ask("Getvar", Channel=channel, Variable=place)
            if there.get("Value") == "0":
                raise _Refused(f"there is no extension {extension} in the context {context}")
            await session.ask(
                "Redirect",
                Channel=channel,
                Context=context,
                Exten=extension,
                Priority=str(priority),
            )

    async def check(self) -> str:
        try:
            async with self._session() as session:
                commands = await session.ask("ListCommands")
                if missing := [name for name in _NEEDED if name not in commands]:
                    raise PbxError(
                        f"the user {self._username} at {self._where} may not use "
                        f"{', '.join(missing)}: give it write = call in manager.conf"
                    )
                sees = await session.ask("Getvar", Variable="DIALPLAN_EXISTS(default,s,1)")
        except (_Fault, _Refused) as error:
            raise PbxError(str(error)) from error
        found = f"{self._where} lets {self._username} hang up and transfer"
        if sees.get("Value") not in ("0", "1"):
            found += (
                "; load func_dialplan.so in Asterisk: without it a transfer to an extension that "
                "does not exist ends the call"
            )
        return found

    async def close(self) -> None:
        """Nothing to close: no connection outlives its deed."""

    @property
    def _where(self) -> str:
        return f"Asterisk's manager interface at {self._host}:{self._port}"

    @asynccontextmanager
    async def _deed(self, done: str) -> AsyncGenerator[_Session, None]:
        """A session to do something to a call; what goes wrong is logged, and told to the model.

        done: "hung up" or "transferred".
        """
        try:
            async with self._session() as session:
                yield session
        except (NotFoundError, _Refused) as error:
            _log.warning("the call was not %s: %s", done, error)
            raise PbxError(f"the call was not {done}: {error}") from error
        except _Silence as error:
            _log.warning("it is not known whether the call was %s: %s", done, error)
            raise PbxError(
                "the telephone exchange did not answer in time; "
                f"it is not known whether the call was {done}"
            ) from error
        except _Fault as error:
            _log.warning("the call was not %s: %s", done, error)
            raise PbxError(
                f"the call was not {done}: the telephone exchange cannot be used; the call goes on"
            ) from error

    @asynccontextmanager
    async def _session(self) -> AsyncGenerator[_Session, None]:
        """A connection that is logged in, for no longer than DEED_S. Raises _Fault."""
        lost: type[_Fault] = _Fault
        try:
            async with asyncio.timeout(DEED_S):
                try:
                    reader, writer = await asyncio.open_connection(self._host, self._port)
                except (OSError, UnicodeError) as error:  # the latter for a host that is no name
                    raise _Fault(
                        f"{self._where} cannot be reached: check AMI_HOST and AMI_PORT; Asterisk "
                        f"must run with enabled = yes and bindaddr in manager.conf ({error})"
                    ) from error
                try:
                    session = _Session(reader, writer)
                    await self._log_in(session)
                    lost = _Silence
                    yield session
                finally:
                    # Not waited for: all that was asked is answered, or will not be.
                    writer.close()
        except TimeoutError as error:
            raise lost(
                f"no answer from {self._where} within {DEED_S:.0f} s: check AMI_HOST and AMI_PORT, "
                "and that no firewall stands between"
            ) from error
        except (EOFError, OSError, asyncio.LimitOverrunError) as error:
            raise lost(f"{self._where} broke off: see Asterisk's log for the reason") from error

    async def _log_in(self, session: _Session) -> None:
        if not (await session.banner()).startswith("Asterisk Call Manager/"):
            raise _Fault(
                f"what answers at {self._host}:{self._port} is not Asterisk's manager interface: "
                "check AMI_HOST and AMI_PORT"
            )
        try:
            await session.ask(
                "Login", Username=self._username, Secret=self._password.reveal(), Events="off"
            )
        except _Refused as error:
            raise _Fault(
                f"{self._where} refuses the user {self._username} ({error}): AMI_USERNAME and "
                "AMI_PASSWORD must be a section of manager.conf and its secret, and its permit "
                "must take in this machine"
            ) from error


async def _find(session: _Session, caller: Caller) -> str:
    """Name of the caller's channel. Raises NotFoundError."""
    return channel_of(caller, [Channel.of(event) for event in await session.ask_list("Status")])
