"""Settings: how a call ends or moves on, and how the PBX is reached for that."""

from dataclasses import dataclass

from avr_sts_speechmatics.pbx.dial_patterns import Pattern
from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.settings.declaration import MILLISECONDS, manner, setting
from avr_sts_speechmatics.values import Secret


@dataclass(frozen=True, kw_only=True)
class FailuresAndTransfer:
    """Failures, hanging up, transfers, and Asterisk's manager interface (AMI)."""

    on_failure: str = setting(
        check.hangup_or("close"),
        "What follows the apology when a call cannot continue: `hangup`, `transfer:<extension>` "
        "or `close` (only the connection to this service is closed).",
        "hangup",
    )
    on_busy: str = setting(
        check.hangup_or("refuse"),
        "What happens to a call over AudioSocket that cannot be taken (all calls taken, no STT "
        "session left, overloaded): `hangup` (the caller hears `BUSY_MESSAGE` first), "
        "`transfer:<extension>`, or `refuse` (the AudioSocket port is closed meanwhile, so that "
        "the dialplan or a load balancer looks elsewhere). The other transports refuse such a "
        "call before it begins.",
        "hangup",
    )
    busy_message: str | None = manner(
        "busy",
        check.phrase,
        "What a caller hears who cannot be taken now, see `ON_BUSY`. Empty: nothing.",
        default=None,
        default_text="a sentence in the agent's language",
        may_be_empty=True,
    )
    ami_url: str | None = setting(
        check.base_url("http", "https"),
        "Address of avr-ami, such as `http://avr-ami:6006`. With avr-ami the agent can hang up "
        "and transfer.",
        common=True,
    )
    ami_host: str | None = setting(
        check.host,
        "Host of Asterisk's manager interface (AMI), to hang up and transfer without avr-ami. "
        "Overrides `AMI_URL`.",
    )
    ami_port: int = setting(check.port, "Port of the AMI.", 5038)
    ami_username: str = setting(check.name, "User of the AMI.", "avr")
    ami_password: Secret | None = setting(
        check.secret, "Password of the AMI user; `AMI_HOST` requires it."
    )
    transfer_allow: tuple[Pattern, ...] = setting(
        check.patterns,
        "Where the agent may transfer a call: extensions and dialplan patterns (`700, _2XXX`), "
        "separated by commas. Empty: nowhere, and transfers are not offered to the model.",
        (),
        default_text="none",
        common=True,
    )
    transfer_context: str = setting(check.context, "Dialplan context of a transfer.", "demo")
    transfer_priority: int = setting(check.whole(1, 999), "Dialplan priority of a transfer.", 1)
    farewell_margin_ms: float = manner(
        "farewell_s",
        check.number(0, 10_000, "milliseconds"),
        "How long after the agent's last word the call is ended or transferred (ms): the last "
        "audio is still on its way to the caller.",
        MILLISECONDS,
    )
