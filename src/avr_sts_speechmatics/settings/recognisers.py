"""Settings: recognisers (STT) besides Speechmatics Agent STT."""

from dataclasses import dataclass

from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.settings.declaration import setting


@dataclass(frozen=True, kw_only=True)
class Recognisers:
    """What other recognisers need beyond the settings of Agent STT."""

    stt_silence_ms: float = setting(
        check.number(200, 2000, "milliseconds"),
        "Silence after which the caller's turn is over, for recognisers that cannot tell whether "
        "the caller has finished (`STT` other than `agent`) (ms).",
        600.0,
    )
    stt_max_delay_ms: float = setting(
        check.number(700, 4000, "milliseconds"),
        "Longest wait from the end of a word until `STT=realtime` may no longer change the word "
        "(ms). Raised above `STT_SILENCE_MS` where it is not longer.",
        1000.0,
    )
