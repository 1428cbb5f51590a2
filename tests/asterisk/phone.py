"""A telephone: calls by SIP, speaks and hears in real time, keeps what came and when.

    async with call(("127.0.0.1", sip_port), "5001") as phone:
        phone.say(pcm)                      # heard from the next 20 ms on, silence after it
        phone.press("5")
        await phone.until(lambda: len(phone.heard) > 50)
        phone.hang_up()                     # or leave the block

A packet's time is the kernel's, from the moment it arrived, so a busy event loop does not look like
a gap on the line. What is sent is paced by the loop, as good as it is.
"""

import asyncio
import random
import socket
import struct
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.asterisk import sip
from tests.asterisk.etc import PASSWORD, USER
from tests.asterisk.g711 import MU_LAW, Law
from tests.asterisk.measures import is_loud
from tests.asterisk.rtp import FRAME_S, FRAME_SAMPLES, KEY_TYPE, Packet, Stream, parse

ANSWER_S = 10.0
_AGAIN_S = 0.5
"""How long an unanswered request waits until it is sent again. [RFC 3261, 17.1.1.1: T1]"""

_SO_TIMESTAMPNS = 35
_BUFFER_BYTES = 4 << 20
_FRAME_BYTES = 2 * FRAME_SAMPLES


class NoAnswer(Exception):
    """The call was not taken. status: SIP's reason, 0 when nothing came."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the call was refused with {status}" if status else "nobody answered")
        self.status = status


class Phone:
    """One call, after it was answered. Made by `call`; not used again."""

    def __init__(self, server: tuple[str, int], law: Law) -> None:
        self.law = law
        self.answered_at = 0.0
        """When the call was taken (monotonic s)."""
        self.began_at = 0.0
        """When the first frame went out (monotonic s)."""
        self.ended_at: float | None = None
        """When it was hung up, by whomever (monotonic s)."""
        self.hung_up_by_other_side = False
        self.heard: list[Packet] = []
        """Audio as it came, in the order of arrival."""
        self.sound_at = 0.0
        """When sound was last heard, rather than silence (monotonic s); 0: never."""
        self.mute = False
        """Send nothing at all, as a phone on hold does."""
        self._to_say: deque[bytes] = deque()
        self._keys: deque[str] = deque()
        self._server = server
        self._changed = asyncio.Event()
        self._sip = _socket()
        self._rtp = _socket()
        self._rtp.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        # The kernel dates packets by the wall clock.
        self._to_monotonic = time.time() - time.monotonic()
        self._id = f"{random.getrandbits(64):x}"
        self._tag = f"{random.getrandbits(32):x}"
        self._remote = ""
        self._target = ""
        self._media = ("", 0)
        self._sequence = 0
        self._replies: dict[str, sip.Message] = {}

    # --- what a caller does --------------------------------------------------------------------

    def say(self, pcm: bytes) -> None:
        """Speak: s16le at 8 kHz, after what is still to be said."""
        for at in range(0, len(pcm), _FRAME_BYTES):
            self._to_say.append(pcm[at : at + _FRAME_BYTES].ljust(_FRAME_BYTES, b"\0"))

    @property
    def speaking(self) -> bool:
        return bool(self._to_say)

    def press(self, key: str) -> None:
        """Press a key for 100 ms."""
        self._keys.append(key)

    def hang_up(self) -> None:
        """End the call now; nothing if it has ended."""
        if self.ended_at is None:
            self.ended_at = time.monotonic()
            self._changed.set()

    async def until(self, holds: Callable[[], bool], *, timeout: float = 10) -> None:
        """Wait until something about this phone holds; TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def stay(self, seconds: float) -> None:
        """Be on the line for a while, or until the other side hangs up."""
        try:
            await self.until(lambda: self.ended_at is not None, timeout=seconds)
        except TimeoutError:
            return

    async def until_spoken_to(self, *, pause: float = 0.7, timeout: float = 20) -> None:
        """Wait until the other side has said something and paused for `pause` seconds.

        Only what is said from now on counts. TimeoutError after `timeout` seconds.
        """
        begin = time.monotonic()
        await self.until(lambda: begin < self.sound_at < time.monotonic() - pause, timeout=timeout)

    async def until_hung_up(self, *, timeout: float = 10) -> float:
        """Wait for the other side to hang up, return when it did (monotonic s)."""
        await self.until(lambda: self.ended_at is not None, timeout=timeout)
        assert self.ended_at is not None
        return self.ended_at

    # --- the call ------------------------------------------------------------------------------

    async def invite(self, extension: str, user: str, password: str) -> None:
        """Call, and wait for the answer. Raises NoAnswer."""
        host, port = self._server
        target = self._target = f"sip:{extension}@{host}:{port}"
        self._to = f"<sip:{extension}@{host}>"
        self._user = user
        offer = sip.offer(self._rtp.getsockname()[1], self.law)
        reply = await self._ask("INVITE", offer)
        if reply is not None and reply.status == 401:
            challenge = reply.header("www-authenticate")
            answer = sip.authorization(challenge, "INVITE", target, user, password)
            reply = await self._ask("INVITE", offer, {"Authorization": answer})
        if reply is None or reply.status >= 300:
            raise NoAnswer(reply.status if reply else 0)
        self._media = reply.media
        self.answered_at = time.monotonic()

    async def talk(self) -> None:
        """Send 20 ms at a time, by absolute deadlines, until the call has ended."""
        loop = asyncio.get_running_loop()
        stream = Stream(self.law.payload_type, random.getrandbits(32))
        silence = self.law.encode(bytes(_FRAME_BYTES))
        self.began_at = time.monotonic()
        due = loop.time()
        while self.ended_at is None:
            if self._keys and not stream.pressing:
                stream.press(self._keys.popleft())
            frame = silence
            if self._to_say and not stream.pressing:
                frame = self.law.encode(self._to_say.popleft())
            for datagram in stream.next(None if self.mute else frame):
                self._rtp.sendto(datagram, self._media)
            self._changed.set()
            due += FRAME_S
            await asyncio.sleep(due - loop.time())

    async def bye(self) -> None:
        """Tell the other side, unless it was the one who hung up."""
        if not self.hung_up_by_other_side:
            await self._ask("BYE", "", timeout=2)

    def listen(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._sip, self._on_sip)
        loop.add_reader(self._rtp, self._on_rtp)

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for sock in (self._sip, self._rtp):
            loop.remove_reader(sock)
            sock.close()

    # --- SIP -----------------------------------------------------------------------------------

    @property
    def _contact(self) -> str:
        host, port = self._sip.getsockname()
        return f"<sip:{self._user}@{host}:{port}>"

    async def _ask(
        self,
        method: str,
        body: str,
        more: dict[str, str] | None = None,
        *,
        timeout: float = ANSWER_S,
    ) -> sip.Message | None:
        """Send a request, again and again, until its final reply comes; None if none does."""
        self._sequence += 1
        branch = f"z9hG4bK{random.getrandbits(64):x}"
        datagram = self._request(method, branch, body, more)
        try:
            async with asyncio.timeout(timeout):
                while branch not in self._replies:
                    self._sip.sendto(datagram, self._server)
                    try:
                        await self.until(lambda: branch in self._replies, timeout=_AGAIN_S)
                    except TimeoutError:
                        continue
        except TimeoutError:
            return None
        reply = self._replies[branch]
        if method == "INVITE":
            self._remote = reply.header("to").partition(";")[2]
            if reply.status < 300:
                self._target = reply.contact or self._target
                branch = f"z9hG4bK{random.getrandbits(64):x}"
            self._sip.sendto(self._request("ACK", branch, ""), self._server)
            if reply.status >= 300:
                self._remote = ""
        return reply

    def _request(
        self, method: str, branch: str, body: str, more: dict[str, str] | None = None
    ) -> bytes:
        host, port = self._sip.getsockname()
        headers = {
            "Via": f"SIP/2.0/UDP {host}:{port};branch={branch};rport",
            "Max-Forwards": "70",
            "From": f"<sip:{self._user}@{host}:{port}>;tag={self._tag}",
            "To": self._to + (f";{self._remote}" if self._remote else ""),
            "Call-ID": f"{self._id}@{host}",
            "CSeq": f"{self._sequence} {method}",
            "Contact": self._contact,
        }
        return sip.request(method, self._target, headers | (more or {}), body)

    def _on_sip(self) -> None:
        message = sip.Message.parse(self._sip.recv(65_536))
        if not message.status:
            self._on_request(message)
        elif message.status >= 200:
            branch = message.header("via").partition("branch=")[2].partition(";")[0]
            self._replies[branch] = message
        self._changed.set()

    def _on_request(self, message: sip.Message) -> None:
        if message.method == "ACK":
            return
        # A transfer may ask for the media anew: they stay where they are.
        body = ""
        if message.method == "INVITE":
            body = sip.offer(self._rtp.getsockname()[1], self.law)
        self._sip.sendto(sip.okay(message, self._contact, body), self._server)
        if message.method == "BYE" and self.ended_at is None:
            self.hung_up_by_other_side = True
            self.ended_at = time.monotonic()

    # --- RTP -----------------------------------------------------------------------------------

    def _on_rtp(self) -> None:
        while True:
            try:
                datagram, extra, _, _ = self._rtp.recvmsg(2048, 64)
            except BlockingIOError:
                break
            seconds, nanoseconds = struct.unpack("@ll", extra[0][2])
            packet = parse(datagram, seconds + nanoseconds / 1e9 - self._to_monotonic)
            if packet is not None and packet.payload_type != KEY_TYPE:
                self.heard.append(packet)
                if is_loud(packet, self.law):
                    self.sound_at = packet.at
        self._changed.set()


@asynccontextmanager
async def call(
    server: tuple[str, int],
    extension: str,
    *,
    law: Law = MU_LAW,
    user: str = USER,
    password: str = PASSWORD,
) -> AsyncIterator[Phone]:
    """Call an extension; the call is hung up when the block ends. Raises NoAnswer."""
    phone = Phone(server, law)
    phone.listen()
    try:
        await phone.invite(extension, user, password)
        talking = asyncio.create_task(phone.talk())
        try:
            yield phone
        finally:
            phone.hang_up()
            await talking
            await phone.bye()
    finally:
        phone.close()


def _socket() -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setblocking(False)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
    opened.bind(("127.0.0.1", 0))
    return opened
