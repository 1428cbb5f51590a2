"""Settings: where the service listens, who may use its API, how many calls it takes, its end."""

from dataclasses import dataclass

from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.settings import token_checks
from avr_sts_speechmatics.settings.declaration import setting
from avr_sts_speechmatics.values import Secret


@dataclass(frozen=True, kw_only=True)
class Listening:
    """Addresses, ports and limits of the service."""

    host: str = setting(
        check.host,
        "Address to listen on. The default accepts connections from this machine only; the "
        "container image sets `0.0.0.0`.",
        "127.0.0.1",
    )
    port: int = setting(
        check.port,
        "Port for avr-core (WebSocket, streaming POST), for Asterisk's WebSocket (`/media`), and "
        "for `/health` and `/ready`. If the port is taken, the service does not start.",
        6040,
    )
    extra_ports: tuple[int, ...] = setting(
        check.ports,
        "Further ports for the same connections, separated by commas; empty for none. A port that "
        "is taken causes a warning. AVR's documentation names both 6040 and 6033.",
        (6033,),
        default_text="`6033`",
        may_be_empty=True,
    )
    max_calls: int = setting(
        check.whole(1, 100_000),
        "Largest number of calls at once; a further call is rejected with a reason. As many "
        "connections (at least 256) may wait without a call.",
        1000,
    )
    overload_lag_ms: float = setting(
        check.number(0, 10_000, "milliseconds"),
        "How late the service may be before new calls are refused: the 95th percentile of the "
        "event loop's delay in the last 5 s (ms). Calls are taken again when the delay has fallen "
        "to 70 % of the value. Running calls do not notice. 0: new calls are never refused for "
        "that.",
        30.0,
    )
    drain_s: float = setting(
        check.number(0, 3600, "seconds"),
        "How long running calls may continue after SIGTERM, or in a worker that SIGHUP has "
        "replaced (s). Afterwards callers hear an apology, and `ON_DRAIN` follows. 0: until the "
        "last call ends. The container image sets 4, because `docker stop` kills a container after "
        "10 s.",
        20.0,
    )
    on_drain: str = setting(
        check.hangup_or("close"),
        "What follows the apology when `DRAIN_S` is over and a call is still running: `hangup`, "
        "`transfer:<extension>`, or `close` (only the connection to this service is closed, so "
        "that the dialplan goes on).",
        "hangup",
    )
    try_services: bool = setting(
        check.yes_or_no,
        "Whether STT, the LLM and TTS are tried once after the start, and after failures until "
        "they work again (`true`, `false`). A trial is half a second of silence, one word of the "
        "model and one word of the voice. The outcome is in the log and in `/health`.",
        True,
    )
    ready_needs_clouds: bool = setting(
        check.yes_or_no,
        "Whether `/ready` answers 503 while STT, the LLM or TTS does not work (`true`, `false`). "
        "Calls are taken all the same. For load balancers that have another machine.",
        False,
    )
    console_token: tuple[Secret, ...] = setting(
        token_checks.tokens,
        "Tokens for the API under `/api/`, at least 16 characters each; several are separated by "
        "commas, so that a token can be replaced without a gap. With a token, the API answers on "
        "every address of the service, and only with `Authorization: Bearer <token>` or after a "
        "sign-in. Without one, it answers on this machine only.",
        (),
        default_text="none",
        private=True,
    )
