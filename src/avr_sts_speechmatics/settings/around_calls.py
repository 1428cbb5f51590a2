"""Settings: webhooks about a call, its cost, and its background noise."""

from dataclasses import dataclass
from pathlib import Path

from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.settings.declaration import setting
from avr_sts_speechmatics.values import Secret


@dataclass(frozen=True, kw_only=True)
class AroundCalls:
    """Webhooks, cost and background noise."""

    webhook_url: str | None = setting(
        check.url("http", "https"),
        "Address to which the events of calls are sent, as avr-core sends them.",
        private=True,  # many receivers identify their senders by a token in the path
    )
    webhook_secret: Secret | None = setting(
        check.secret, "Sent with each event in the header `X-AVR-WEBHOOK-SECRET`."
    )
    webhook_timeout: float = setting(
        check.number(1, 60_000, "milliseconds"), "How long a webhook may take (ms).", 3000.0
    )
    webhook_retry: int = setting(check.whole(0, 10), "How often a failed webhook is retried.", 0)
    prices_file: Path | None = setting(
        check.file,
        "Prices (YAML) of services and models, which replace or add to the built-in list prices. "
        "See [Cost](cost.md).",
        default_text="list prices",
    )
    max_cost: float = setting(
        check.number(0, 1_000_000),
        "Highest cost of a call, in the currency of the prices; then the agent says goodbye and "
        "the call ends. A warning is logged at 80 %. 0: no limit. See [Cost](cost.md).",
        0.0,
    )
    ambient_noise_file: Path | None = setting(
        check.file,
        "Background noise under the agent's speech and in the pauses: WAV, or raw s16le 8 kHz "
        "mono.",
    )
    ambient_noise_level: float = setting(
        check.number(0, 1), "Loudness of the background noise, 0 to 1.", 0.1
    )
