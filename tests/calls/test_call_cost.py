"""What a call used and what it cost, over the wire: log, webhook, and prices of one's own."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.calls.live_call import live_call, live_service, until
from tests.support import Serve
from tests.webhook_target import webhook_target

from avr_sts_speechmatics.sandbox.faults import Stall, Status
from avr_sts_speechmatics.services.tts.pcm_over_http import HEDGE
from avr_sts_speechmatics.services.tts.speechmatics import PATIENCE_S

ANSWER = "We are open from nine to five on weekdays."
ALL_PRICED = """
currency: EUR
defaults: false
prices:
  - {service: stt, server: 127.0.0.1, per_hour: 3600}
  - {service: llm, server: 127.0.0.1, per_1m_tokens: {prompt: 1000000, completion: 0}}
  - {service: tts, server: 127.0.0.1, per_1m_characters: 1000000}
"""


class Ends(logging.Handler):
    """Keeps how calls ended, as the log tells machines."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.ended: list[dict[str, Any]] = []
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(record, "ended"):
            self.ended.append(record.ended)
            self.lines.append(record.getMessage())

    async def next(self) -> dict[str, Any]:
        await until(lambda: bool(self.ended))
        return self.ended.pop(0)


@pytest.fixture
def ends() -> Iterator[Ends]:
    kept, log = Ends(), logging.getLogger("avr_sts_speechmatics")
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(kept)
    yield kept
    log.removeHandler(kept)
    log.setLevel(level)


@pytest.fixture
def all_priced(tmp_path: Path) -> Path:
    path = tmp_path / "prices.yaml"
    path.write_text(ALL_PRICED)
    return path


async def test_a_call_is_charged_for_what_it_sent_to_each_service(
    serve: Serve, ends: Ends, all_priced: Path
) -> None:
    async with live_call(serve, ANSWER, prices_file=all_priced, preemptive="off") as call:
        call.say("When are you open?")
        await call.until_said(ANSWER)
        await call.core.speak(bytes(8_000))
        await call.until_came(lambda: len(call.session.audio) >= 6_400)
        await call.core.hang_up()
        ended = await ends.next()
        heard_s = len(call.session.audio) / 16_000
    assert ended["tts_characters"] == len(ANSWER)  # the welcome is a kept phrase
    assert ended["stt_s"] == pytest.approx(heard_s, abs=0.05)
    assert ended["estimated_tokens"] == 0
    parts = heard_s + ended["prompt_tokens"] + ended["tts_characters"]
    assert ended["cost"] == pytest.approx(parts, abs=0.05)
    assert ended["currency"] == "EUR"
    assert ended["ended_by"] == "caller"
    assert f"; cost {ended['cost']:.4f} EUR" in ends.lines[0]


async def test_a_webhook_says_what_the_log_says(serve: Serve, ends: Ends, all_priced: Path) -> None:
    async with webhook_target() as hooks:
        async with live_call(serve, ANSWER, prices_file=all_priced, webhook_url=hooks.url) as call:
            call.say("When are you open?")
            await call.until_said(ANSWER)
            await call.core.hang_up()
            ended = await ends.next()
            await hooks.until(lambda: hooks.events[-1]["type"] == "call_ended")
        assert hooks.events[-1]["payload"] == ended


async def test_without_a_price_the_cost_is_left_out_and_the_line_says_why(
    serve: Serve, ends: Ends
) -> None:
    async with live_call(serve, ANSWER) as call:
        call.say("When are you open?")
        await call.until_said(ANSWER)
        await call.core.hang_up()
        ended = await ends.next()
    assert "cost" not in ended
    assert "cost unknown: no price of" in ends.lines[0]


async def test_the_start_says_once_which_services_have_no_price(
    serve: Serve, all_priced: Path
) -> None:
    async with live_service(serve) as rig:
        (hint,) = rig.server.hints
        assert hint.startswith("The cost of calls is not known: no price of stt linden-1 at ")
        assert hint.count("PRICES_FILE") == 1
        assert not any("cost" in warning for warning in rig.server.warnings)
    async with live_service(serve, prices_file=all_priced) as rig:
        assert rig.server.hints == ()


async def test_an_answer_that_is_dropped_unheard_is_charged_for_and_marked(
    serve: Serve, ends: Ends, all_priced: Path
) -> None:
    async with live_call(serve, "Yes.", "No.", prices_file=all_priced) as call:
        call.say_partly("I would like to know when you are open.")
        await call.asked(1)
        call.say_partly("On Sundays, I mean, and on the holidays.")
        await call.asked(2)
        call.end_turn()
        await call.until_said("No.")
        await call.core.hang_up()
        ended = await ends.next()
    assert 0 < ended["estimated_tokens"] < ended["prompt_tokens"] + ended["completion_tokens"]


async def test_a_second_request_for_a_late_sentence_is_charged_for(
    serve: Serve, ends: Ends, all_priced: Path
) -> None:
    async with live_call(serve, ANSWER, prices_file=all_priced, preemptive="off") as call:
        call.cloud.faults.add(Stall(part="tts", after=None, seconds=HEDGE * PATIENCE_S + 2))
        call.say("When are you open?")
        await call.until_said(ANSWER)
        await call.core.hang_up()
        ended = await ends.next()
    assert ended["tts_characters"] == 2 * len(ANSWER)


async def test_each_session_of_a_recogniser_is_charged_for(
    serve: Serve, ends: Ends, all_priced: Path
) -> None:
    async with live_call(serve, prices_file=all_priced) as call:
        await call.core.speak(bytes(4_800))
        await call.until_came(lambda: len(call.session.audio) >= 3_200)
        call.lose_stt()
        second = await call.cloud.received.session(1, timeout=10)
        await call.core.speak(bytes(4_800))
        await call.until_came(lambda: len(second.audio) >= 3_200)
        await call.core.hang_up()
        ended = await ends.next()
    both = (len(call.session.audio) + len(second.audio)) / 16_000
    assert ended["stt_s"] == pytest.approx(both, abs=0.1)


async def test_a_call_that_reaches_its_limit_hears_a_goodbye(
    serve: Serve, ends: Ends, all_priced: Path, caplog: pytest.LogCaptureFixture
) -> None:
    changes: dict[str, Any] = {"preemptive": "off", "farewell_margin_ms": 0, "max_cost": 60}
    async with live_call(serve, ANSWER, prices_file=all_priced, **changes) as call:
        call.say("When are you open?")
        heard = await call.until_closed()
        ended = await ends.next()
    # The tokens of the first answer cost more than the limit: the sentence is said all the same.
    assert heard.said("agent").startswith(ANSWER)
    assert len(heard.said("agent")) > len(ANSWER)
    assert ended["reason"] == "cost_limit"
    assert ended["ended_by"] == "service"
    assert ended["cost"] >= 60
    assert "the highest cost of a call was reached (MAX_COST)" in ends.lines[0]
    warnings = [text for text in caplog.messages if text.startswith("the call has cost")]
    assert len(warnings) == 1


async def test_a_call_below_its_limit_is_left_alone(
    serve: Serve, ends: Ends, all_priced: Path
) -> None:
    async with live_call(serve, ANSWER, prices_file=all_priced, max_cost=100_000) as call:
        call.say("When are you open?")
        await call.until_said(ANSWER)
        await call.core.hang_up()
        assert (await ends.next())["reason"] == "caller"


async def test_the_second_voice_has_a_price_of_its_own(
    serve: Serve, ends: Ends, tmp_path: Path
) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(
        "{currency: EUR, defaults: false, prices: ["
        "{service: tts, server: 127.0.0.1, model: second, per_1m_characters: 1000000},"
        "{service: tts, server: 127.0.0.1, per_1m_characters: 900000000},"
        "{service: stt, server: 127.0.0.1, per_hour: 0},"
        "{service: llm, server: 127.0.0.1, per_1m_tokens: {prompt: 0, completion: 0}}]}"
    )
    changes: dict[str, Any] = {"voice_fallback": "openai", "openai_tts_model": "second"}
    async with live_call(serve, ANSWER, prices_file=path, **changes) as call:
        refused = Status(part="tts", status=403, count=1)
        call.cloud.faults.add(refused)
        call.say("When are you open?")
        await call.until_said(ANSWER)
        await call.core.hang_up()
        ended = await ends.next()
    assert ended["tts_characters"] == ended["cost"] == len(ANSWER)
