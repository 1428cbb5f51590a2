"""Settings: calls that come straight from Asterisk, without avr-core."""

from dataclasses import dataclass
from typing import Literal

from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.settings.declaration import setting

Law = Literal["auto", "ulaw", "alaw"]


@dataclass(frozen=True, kw_only=True)
class AsteriskPorts:
    """AudioSocket, and the HTTP port on which calls are announced.

    The default ports are those of avr-core, which dialplans made for avr-core call.
    """

    audiosocket_port: int | None = setting(
        check.port_or_none,
        "Port of the AudioSocket transport, for Asterisk without avr-core; 0: none.",
        5001,
    )
    audiosocket_g711: Law = setting(
        check.one_of("auto", "ulaw", "alaw"),
        "Law of G.711 audio on AudioSocket, which does not name the law: `auto` (by the first "
        "packets), `ulaw`, `alaw`.",
        "auto",
    )
    http_port: int | None = setting(
        check.port_or_none,
        "Port of `POST /call` and `GET /health`, where dialplans made for avr-core expect them; "
        "0: none.",
        6001,
    )
    require_call: bool = setting(
        check.yes_or_no,
        "Whether a call over AudioSocket or Asterisk's WebSocket must have been announced by "
        "`POST /call` (`true`, `false`).",
        False,
    )
