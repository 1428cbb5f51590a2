"""As much SIP as one call needs: messages as text, digests, descriptions of media. No sockets.

[RFC 3261; RFC 2617 for the digest; RFC 4566 for SDP]
"""

import hashlib
import re
from dataclasses import dataclass

from tests.asterisk.g711 import Law
from tests.asterisk.rtp import KEY_TYPE

_EOL = "\r\n"
_ECHOED = ("via", "from", "to", "call-id", "cseq")


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a reply.

    start: its first line. headers: names in small letters, in order, repeated ones kept.
    """

    start: str
    headers: tuple[tuple[str, str], ...]
    body: str

    @classmethod
    def parse(cls, datagram: bytes) -> "Message":
        head, _, body = datagram.decode(errors="replace").partition(_EOL * 2)
        start, *lines = head.split(_EOL)
        pairs = (line.partition(":") for line in lines)
        headers = tuple((name.strip().lower(), value.strip()) for name, _, value in pairs)
        return cls(start, headers, body)

    def header(self, name: str) -> str:
        """The first header of that name; "" where there is none."""
        return next((value for known, value in self.headers if known == name), "")

    @property
    def status(self) -> int:
        """Of a reply; 0: a request."""
        return int(self.start.split(" ")[1]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        """Of a request, or of the request that a reply belongs to."""
        return self.header("cseq").partition(" ")[2]

    @property
    def contact(self) -> str:
        found = re.search(r"<([^>]+)>", self.header("contact"))
        return found.group(1) if found else ""

    @property
    def media(self) -> tuple[str, int]:
        """Where the other side wants its audio. Raises ValueError when the body does not say."""
        host = re.search(r"^c=IN IP4 (\S+)", self.body, re.MULTILINE)
        port = re.search(r"^m=audio (\d+)", self.body, re.MULTILINE)
        if host is None or port is None:
            raise ValueError(f"no media in: {self.start}")
        return host.group(1), int(port.group(1))


def request(method: str, target: str, headers: dict[str, str], body: str = "") -> bytes:
    return _message(f"{method} {target} SIP/2.0", list(headers.items()), body)


def okay(asked: Message, contact: str, body: str = "") -> bytes:
    """200 for a request of theirs."""
    echoed = [(name, value) for name, value in asked.headers if name in _ECHOED]
    return _message("SIP/2.0 200 OK", [*echoed, ("Contact", contact)], body)


def authorization(challenge: str, method: str, target: str, user: str, password: str) -> str:
    """The header that answers a digest challenge (WWW-Authenticate), with MD5 and no more."""
    given = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm, nonce = given["realm"], given["nonce"]
    who = _md5(f"{user}:{realm}:{password}")
    what = _md5(f"{method}:{target}")
    parts = {"username": user, "realm": realm, "nonce": nonce, "uri": target}
    rest = ""
    if "qop" in given:
        response = _md5(f"{who}:{nonce}:00000001:0a4f113b:auth:{what}")
        rest = ', qop=auth, nc=00000001, cnonce="0a4f113b"'
    else:
        response = _md5(f"{who}:{nonce}:{what}")
    parts["response"] = response
    if "opaque" in given:
        parts["opaque"] = given["opaque"]
    return "Digest " + ", ".join(f'{name}="{value}"' for name, value in parts.items()) + rest


def offer(port: int, law: Law) -> str:
    """What we speak and hear, at a port of 127.0.0.1, and keys."""
    kind = law.payload_type
    lines = (
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "c=IN IP4 127.0.0.1",
        "t=0 0",
        f"m=audio {port} RTP/AVP {kind} {KEY_TYPE}",
        f"a=rtpmap:{kind} {law.name}/8000",
        f"a=rtpmap:{KEY_TYPE} telephone-event/8000",
        f"a=fmtp:{KEY_TYPE} 0-15",
        "a=ptime:20",
        "a=sendrecv",
    )
    return _EOL.join((*lines, ""))


def _message(start: str, headers: list[tuple[str, str]], body: str) -> bytes:
    lines = [start, *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append("Content-Type: application/sdp")
    lines.append(f"Content-Length: {len(body)}")
    return (_EOL.join(lines) + _EOL * 2 + body).encode()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
