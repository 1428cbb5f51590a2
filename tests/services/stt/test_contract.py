"""What every recogniser promises a call, each against a server that speaks its vendor's wire."""

import asyncio
import math
import struct
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from tests.nasty_json import NASTY
from tests.services.stt.all_vendors import VENDORS
from tests.services.stt.collecting import kinds, numbered, texts
from tests.services.stt.vendors import Said, Vendor, listening

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.services.stt import ENGINES, websocket_session
from avr_sts_speechmatics.values import VocabEntry

HELLO = Said("Hello there.", 0.2, 0.8, ("Hello",))
PLEASE = Said("A table, please.", 3.0, 4.0, ("A table", "A table please"))


@pytest.fixture(params=list(VENDORS))
async def vendor(request: pytest.FixtureRequest) -> AsyncIterator[Vendor]:
    async with VENDORS[request.param].running() as server:
        yield server


def tone(seconds: float, hertz: float) -> bytes:
    """A tone of the telephone: s16le, 8 kHz."""
    step = 2 * math.pi * hertz / 8000
    samples = (round(9000 * math.sin(step * n)) for n in range(round(seconds * 8000)))
    return b"".join(struct.pack("<h", sample) for sample in samples)


def hertz_of(pcm: bytes, rate: int) -> float:
    """The pitch of a tone, by its zero crossings."""
    samples: tuple[int, ...] = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    rises = sum(a < 0 <= b for a, b in pairwise(samples))
    return rises * rate / len(samples)


def test_every_engine_has_a_server_here() -> None:
    assert {name.split()[0] for name in VENDORS} == set(ENGINES)


async def test_a_session_is_asked_for_with_key_language_and_vocabulary(vendor: Vendor) -> None:
    words = (VocabEntry("Brandvoll"), VocabEntry("Siobhan", ("shiv awn",)))
    async with listening(vendor, "de", words):
        asked, *_ = await vendor.until(bool)
    assert asked.key == "a-key"
    assert asked.language == vendor.german
    assert "Brandvoll" in asked.vocabulary
    assert "Siobhan" in asked.vocabulary


async def test_telephone_audio_keeps_its_length_and_pitch(vendor: Vendor) -> None:
    async with listening(vendor) as ears:
        await ears.speak(tone(1.0, 440))
        await vendor.until(lambda asked: bool(asked) and asked[0].seconds > 0.95)
    [asked] = await vendor.until(lambda asked: not asked[0].open)
    assert asked.seconds == pytest.approx(1.0, abs=0.01)
    assert hertz_of(asked.audio, asked.rate) == pytest.approx(440, abs=10)


async def test_a_turn_is_reported_in_order_and_once(vendor: Vendor) -> None:
    vendor.script([HELLO])
    async with listening(vendor) as ears:
        await ears.speak(bytes(48_000), pause=0.002)
        await ears.notes.until("turn ended")
        assert kinds(ears) == list(vendor.reports)
        assert texts(ears, "segment") == ["Hello there."]
        [(_, end)] = ears.notes.of("segment")
        assert end == pytest.approx(0.8, abs=0.35)
        assert end <= ears.notes.of("turn ended")[0][1] <= 3.0


async def test_a_second_turn_has_its_own_words_only(vendor: Vendor) -> None:
    vendor.script([HELLO, PLEASE])
    async with listening(vendor) as ears:
        await ears.speak(bytes(44_800), pause=0.002)
        await ears.notes.until("turn ended")
        await ears.speak(bytes(51_200), pause=0.002)
        await ears.notes.until("turn ended", times=2)
        assert kinds(ears) == list(vendor.reports) * 2
        assert texts(ears, "segment") == ["Hello there.", "A table, please."]
        first, second = (end for _, end in ears.notes.of("segment"))
        assert second - first == pytest.approx(3.2, abs=0.5)
        assert all("Hello" not in words for words in texts(ears, "words")[-2:])


async def test_silence_reports_nothing(vendor: Vendor) -> None:
    async with listening(vendor) as ears:
        await ears.speak(bytes(16_000 * 8))
        await vendor.until(lambda asked: bool(asked) and asked[0].seconds > 7.9)
        assert ears.notes.heard == []
        assert not ears.running.done()


async def test_a_dropped_session_loses_and_doubles_no_word(vendor: Vendor) -> None:
    again = Said(PLEASE.text, 0.9, 1.9, PLEASE.partials)
    vendor.fail("drop at 3.5 s")
    vendor.script([HELLO, PLEASE], [again])
    async with listening(vendor) as ears:
        await ears.speak(numbered(2.8), pause=0.002)
        await ears.notes.until("turn ended")
        await ears.speak(numbered(3.2, first=22_400), pause=0.002)
        await ears.notes.until("turn ended", times=2)
        await ears.notes.until("restored")
        assert texts(ears, "segment") == ["Hello there.", "A table, please."]
    _, second = vendor.asked()
    # Each sample is its own number; a filter needs a moment to reproduce it.
    at = int.from_bytes(second.audio[second.rate // 5 :][:2], "little") / 8000
    assert 0.7 <= at - 0.1 <= 3.0, "after the first turn and before the second"


async def test_a_refused_key_is_final_and_its_setting_is_named(vendor: Vendor) -> None:
    vendor.fail("bad key")
    async with listening(vendor) as ears:
        with pytest.raises(ServiceError, match=vendor.key_setting) as failed:
            await asyncio.wait_for(ears.running, 3)
    assert failed.value.service == "stt"
    assert not failed.value.retryable
    assert "a-key" not in str(failed.value)


async def test_an_unknown_language_is_final_and_its_setting_is_named(vendor: Vendor) -> None:
    vendor.fail("unknown language")
    async with listening(vendor) as ears:
        with pytest.raises(ServiceError, match="SPEECHMATICS_LANGUAGE") as failed:
            await asyncio.wait_for(ears.running, 3)
    assert not failed.value.retryable


async def test_a_full_service_is_asked_again(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(websocket_session, "QUOTA_WAIT_S", 0.1)
    vendor.fail("full")
    vendor.script([HELLO])
    async with listening(vendor) as ears:
        await ears.notes.until("restored")
    assert "too many sessions" in caplog.text


async def test_a_server_that_never_answers_is_left(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_session, "CONNECT_S", 0.3)
    vendor.fail("mute")
    async with listening(vendor) as ears:
        await ears.notes.until("lost")
        await ears.notes.until("restored")


async def test_a_message_that_cannot_be_read_costs_nothing(
    vendor: Vendor, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail("garbage")
    vendor.script([HELLO])
    async with listening(vendor) as ears:
        await ears.speak(bytes(3200))
        await vendor.until(lambda asked: bool(asked) and asked[0].seconds > 0.15)
        for text in NASTY:
            vendor.say(text.decode("utf-8", "replace"))
        await ears.speak(bytes(48_000))
        await ears.notes.until("turn ended")
        assert texts(ears, "segment")[-1] == "Hello there."
        assert ears.notes.of("lost") == []
    assert "could not be read" in caplog.text
    assert "Traceback" not in caplog.text


async def test_the_end_of_a_call_ends_the_session_in_the_vendors_way(vendor: Vendor) -> None:
    async with listening(vendor) as ears:
        await ears.speak(bytes(16_000))
        await vendor.until(lambda asked: bool(asked) and asked[0].seconds > 0.9)
    [asked] = await vendor.until(lambda asked: not asked[0].open)
    assert asked.said_goodbye
    assert asked.seconds == pytest.approx(1.0, abs=0.01)


async def test_a_recogniser_can_be_tried_out(vendor: Vendor) -> None:
    tried = await vendor.stt().recogniser("en", ()).try_out()
    assert tried.took_s > 0
    assert tried.what
    [asked] = await vendor.until(lambda asked: not asked[0].open)
    assert asked.seconds == pytest.approx(0.5, abs=0.01)
