"""Asterisk's manager interface (AMI): hangs up and transfers calls without another service.

Each hang-up or transfer uses one short connection: log in, list all channels, find the caller's
channel (`channels`), act on that channel, wait for the answer. No connection or event is kept
between two actions, so a restart of Asterisk or of this service loses nothing, and a wrong
password or a missing permission is reported by the action that meets it. The cost is small:
logging in takes half a millisecond, listing a few channels 0.1 ms.

The protocol: lines `Key: value` end with CR LF, and an empty line ends a message. The answer to a
request carries the request's ActionID. The events of a list carry the ActionID too, and the last
event has `EventList: Complete`. [Asterisk documentation, AMI v2 specification; measured,
Asterisk 22]

The AMI user needs `write = call` in manager.conf; `read` is not needed.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.pbx.channels import Channel, NotFoundError, channel_of
from avr_sts_speechmatics.pbx.protocol import PbxError, check_destination
from avr_sts_speechmatics.values import Secret

DEED_S = 3.0
"""Longest time for one hang-up or transfer, from connecting to Asterisk's answer (s)."""

NORMAL_CLEARING = "16"
"""Hang-up cause sent to the phone network. [ITU-T Q.850]"""

_NEEDED = ("Status", "Getvar", "Hangup", "Redirect")

_log = logging.getLogger(__name__)


class _Fault(Exception):
    """AMI cannot be used. The text says what the operator has to do."""


class _Silence(_Fault):
    """The connection was lost during a request. Asterisk may have carried out the request."""


class _Refused(Exception):
    """Asterisk answered with an error. The text is Asterisk's."""


class _Session:
    """One AMI connection. Only one request may be under way at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._asked = 0

    async def banner(self) -> str:
        return (await self._reader.readuntil(b"\r\n")).decode("utf-8", "replace")

    async def ask(self, action: str, **fields: str) -> dict[str, str]:
        """Send a request and return the answer. Raises _Refused."""
        self._asked += 1
        asked = {"Action": action, "ActionID": str(self._asked), **fields}
        for name, value in asked.items():
            # A line break in a value could start another request.
            if re.search(r"[\0\r\n]", value):
                raise ValueError(f"{name} of {action} contains a line break")
        lines = "".join(f"{name}: {value}\r\n" for name, value in asked.items())
        self._writer.write(f"{lines}\r\n".encode("utf-8", "surrogateescape"))
        answer = await self._answer()
        if answer.get("Response") != "Success":
            raise _Refused(answer.get("Message", "no reason given"))
        return answer

    async def ask_list(self, action: str, **fields: str) -> list[dict[str, str]]:
        """Send a request that is answered by a list, and return the events. Raises _Refused."""
        await self.ask(action, **fields)
        events = []
        while (event := await self._answer()).get("EventList") != "Complete":
            events.append(event)
        return events

    async def _answer(self) -> dict[str, str]:
        """Return the next message that carries the request's ActionID."""
        while True:
            text = (await self._reader.readuntil(b"\r\n\r\n")).decode("utf-8", "surrogateescape")
            pairs = (line.partition(":") for line in text.split("\r\n"))
            message = {name: value.strip() for name, _, value in pairs}
            if message.get("ActionID") == str(self._asked):
                return message


class Ami:
    """Asterisk, controlled over AMI. Implements `pbx.protocol.Pbx`.

    host: host name or address of Asterisk.
    port: AMI's TCP port.
    username: name of a section of manager.conf.
    password: the `secret` of that section.
    """

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
            # Redirect to an extension that does not exist succeeds and disconnects the caller, so
            # the extension is looked up first. The value is empty if func_dialplan is not loaded;
            # then the transfer is tried.
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
        """Do nothing: each connection is closed after one action."""

    @property
    def _where(self) -> str:
        return f"Asterisk's manager interface at {self._host}:{self._port}"

    @asynccontextmanager
    async def _deed(self, done: str) -> AsyncGenerator[_Session, None]:
        """Open a session for one action on a call. A failure is logged for the operator.

        done: the action in the past tense, "hung up" or "transferred".

        Raises PbxError, whose text is for the model.
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
                "the phone system did not answer in time; "
                f"it is not known whether the call was {done}"
            ) from error
        except _Fault as error:
            _log.warning("the call was not %s: %s", done, error)
            raise PbxError(
                f"the call was not {done}: the phone system cannot be used; the call goes on"
            ) from error

    @asynccontextmanager
    async def _session(self) -> AsyncGenerator[_Session, None]:
        """Open a logged-in connection for at most DEED_S. Raises _Fault."""
        lost: type[_Fault] = _Fault
        try:
            async with running_time.timeout(DEED_S):
                try:
                    reader, writer = await asyncio.open_connection(self._host, self._port)
                except (OSError, UnicodeError) as error:  # UnicodeError: not a host name
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
                    # wait_closed is not needed: no answer is expected any more.
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
    """Return the name of the caller's channel. Raises NotFoundError."""
    return channel_of(caller, [Channel.of(event) for event in await session.ask_list("Status")])
