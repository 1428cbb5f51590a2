"""One session after another: audio is replayed, words are reported once, times go on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import virtual_time
from tests.services.stt.collecting import Notes, listening, numbered, speechmatics
from tests.support import until

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.sandbox.faults import (
    Drop,
    Stall,
)
from avr_sts_speechmatics.sandbox.scripted_cloud import (
    running_sandbox,
    scripted,
    turn,
)
from avr_sts_speechmatics.services.stt import reconnecting, websocket_session
from avr_sts_speechmatics.services.stt.protocol import SessionListener, TriedOut
from avr_sts_speechmatics.services.stt.reconnecting import (
    QUIET_PIECE_BYTES,
    REPLAY_S,
    SHORT_LIVED_MAX,
    ReconnectingStt,
)
from avr_sts_speechmatics.services.use import AudioSent, report_to


async def test_audio_from_before_the_session_is_heard_from_its_first_sample() -> None:
    said = numbered(3)
    async with running_sandbox() as cloud:
        cloud.faults.add(Stall(part="stt", after=None, seconds=0.3))
        async with listening(cloud) as ears:
            await ears.speak(said)
            session = await cloud.received.session()
            await cloud.received.until(lambda: len(session.audio) == len(said))
            assert bytes(session.audio) == said


@pytest.mark.parametrize("close", [None, 1011, 4013])
async def test_a_dropped_session_is_replaced_and_the_turn_in_progress_replayed(
    close: int | None,
) -> None:
    said = numbered(2)
    half = turn("Never finished", start=0.2, end=3.0, partials=["Never"])
    whole = turn("Never finished, but said.", start=0.2, end=1.4)
    async with running_sandbox(scripted(half, whole)) as cloud:
        cloud.faults.add(Drop(after=1.0, close=close))
        async with listening(cloud) as ears:
            await ears.speak(said[:24_000], pause=0.001)
            await ears.notes.until("lost")
            await ears.speak(said[24_000:])
            await ears.notes.until("restored")
            await ears.speak(bytes(16_000))
            await ears.notes.until("turn ended")
            again = cloud.received.sessions[1]
            # Nothing of the turn was settled: the new session hears all of it.
            assert bytes(again.audio[: len(said)]) == said
            assert ears.notes.of("segment") == [("Never finished, but said.", 1.4)]


async def test_words_already_settled_are_not_heard_twice_and_times_go_on() -> None:
    said = numbered(3)
    first = turn("My name is Ann,", start=0.2, end=0.8, silence=0.1)[:-1]  # no end of turn
    second = turn("and I am late.", start=0.1, end=0.6)
    async with running_sandbox(scripted(first, second)) as cloud:
        cloud.faults.add(Drop(after=1.5))
        async with listening(cloud) as ears:
            await ears.speak(said, pause=0.001)
            await ears.notes.until("turn ended")
            again = cloud.received.sessions[1]
            settled = round(0.8 * 16_000)
            assert bytes(again.audio[:3200]) == said[settled : settled + 3200]
            assert ears.notes.of("segment") == [
                ("My name is Ann,", 0.8),
                ("and I am late.", 1.4),
            ]


async def test_in_silence_little_is_replayed() -> None:
    said = numbered(6)
    async with running_sandbox() as cloud:
        cloud.faults.add(Drop(after=5.0))
        async with listening(cloud) as ears:
            await ears.speak(said, pause=0.0005)
            again = await cloud.received.session(1)
            await cloud.received.until(lambda: len(again.audio) >= 16_000)
            begin = said.index(bytes(again.audio[:320]))
            assert begin >= len(said) - 16_000 * 4
            assert said[begin:].startswith(bytes(again.audio[: len(said) - begin]))


async def test_a_full_service_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_session, "QUOTA_WAIT_S", 0.2)
    async with running_sandbox(max_calls=1) as cloud, listening(cloud) as first:
        await cloud.received.session()
        async with listening(cloud) as second:
            await second.notes.until("lost")
            first.running.cancel()
            await second.notes.until("restored")


async def test_a_service_that_stays_away_is_given_up() -> None:
    async with running_sandbox() as cloud:
        pass
    async with listening(cloud, down_max_s=0.8) as ears:
        await ears.speak(numbered(0.1))
        with pytest.raises(ServiceError, match="given up"):
            await asyncio.wait_for(ears.running, 5)


async def test_audio_that_no_session_takes_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    async with running_sandbox() as cloud:
        stt = ReconnectingStt(speechmatics(cloud), Notes())
        for _ in range(60):
            stt.hear(bytes(16_000))
        kept = reconnecting.KEEP_S + 2
        assert stt.kept_bytes <= kept * 16_000
        assert "audio is lost" in caplog.text


class Watch:
    """Counts the sessions of a process, as admission does."""

    def __init__(self) -> None:
        self.open = self.refusals = 0

    def started(self) -> None:
        self.open += 1

    def ended(self) -> None:
        self.open -= 1

    def refused(self) -> None:
        self.refusals += 1


async def test_sessions_are_counted_and_a_full_vendor_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket_session, "QUOTA_WAIT_S", 0.1)
    watch = Watch()
    async with running_sandbox(max_calls=1) as cloud:
        first, second = (
            ReconnectingStt(speechmatics(cloud), Notes(), watch=watch) for _ in range(2)
        )
        running = asyncio.create_task(first.run())
        await until(lambda: watch.open == 1)
        waiting = asyncio.create_task(second.run())
        await until(lambda: watch.refusals >= 2)
        assert watch.open == 1
        running.cancel()
        await asyncio.wait((running,))
        await until(lambda: watch.open == 1)
        waiting.cancel()
        await asyncio.wait((waiting,))
    assert watch.open == 0


# --- without a vendor ----------------------------------------------------------------------------


class Vendor:
    """A recogniser without a wire: its sessions keep what they are sent, and end when told to."""

    def __init__(self) -> None:
        self.sessions: list[VendorSession] = []
        self.opened = asyncio.Event()

    def session(self, listener: SessionListener) -> VendorSession:
        session = VendorSession(listener)
        self.sessions.append(session)
        self.opened.set()
        return session

    async def try_out(self) -> TriedOut:
        raise NotImplementedError


class VendorSession:
    def __init__(self, listener: SessionListener) -> None:
        self.listener = listener
        self.audio = bytearray()
        self.sent = 0
        self.started_at: float | None = None
        self.writable = True
        self._over = asyncio.Event()

    async def run(self) -> None:
        await self._over.wait()
        raise ServiceError("stt", "gone", retryable=True, retry_after=1e-9)

    def send(self, pcm: bytes) -> None:
        assert self.writable
        self.audio += pcm
        self.sent += 1

    def start(self) -> None:
        self.started_at = running_time.now()
        self.listener.started()

    def end(self) -> None:
        self._over.set()


Step = tuple[str, int]

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("hear"), st.integers(1, 8000)),
        st.tuples(st.sampled_from(["start", "drop", "block", "unblock"]), st.just(0)),
    ),
    max_size=30,
).filter(lambda steps: steps.count(("drop", 0)) < SHORT_LIVED_MAX)


@given(STEPS)
def test_a_turn_that_is_not_settled_reaches_the_last_session_whole(steps: list[Step]) -> None:
    virtual_time.run(turn_without_settled_words(steps))


async def turn_without_settled_words(steps: list[Step]) -> None:
    vendor, said = Vendor(), bytearray()
    stream = ReconnectingStt(vendor, Notes())
    running = asyncio.create_task(stream.run())
    await vendor.opened.wait()
    for what, samples in [*steps, ("start", 0), ("unblock", 0)]:
        session = vendor.sessions[-1]
        if what == "hear" and len(said) + 2 * samples <= REPLAY_S * 16_000:
            pcm = numbered(samples / 8000, first=len(said) // 2)
            said += pcm
            stream.hear(pcm)
        elif what == "start" and session.started_at is None:
            session.start()
            session.listener.words_heard("", 0.0)  # the caller is in the middle of a turn
        elif what == "drop":
            vendor.opened.clear()
            session.end()
            await vendor.opened.wait()
        elif what == "block":
            session.writable = False
        elif what == "unblock" and not session.writable:
            session.writable = True
            if session.started_at is not None:
                session.listener.resume_sending()
    await asyncio.sleep(60)  # virtual: kept audio is sent at a few times real time
    assert bytes(vendor.sessions[-1].audio) == said
    running.cancel()
    await asyncio.wait((running,))


async def test_settled_audio_is_not_sent_again() -> None:
    vendor = Vendor()
    stream = ReconnectingStt(vendor, Notes())
    running = asyncio.create_task(stream.run())
    await vendor.opened.wait()
    first = vendor.sessions[0]
    first.start()
    said = numbered(2)
    stream.hear(said)
    first.listener.segment_heard("It is", 1.5)
    first.listener.words_heard("Ann", 2.0)
    vendor.opened.clear()
    first.end()
    await vendor.opened.wait()
    second = vendor.sessions[1]
    second.start()
    assert bytes(second.audio) == said[round(1.5 * 16_000) :]
    running.cancel()
    await asyncio.wait((running,))


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 20)), max_size=12))
def test_every_frame_of_an_open_turn_is_sent_at_once_and_other_audio_in_pieces(
    talk: list[tuple[bool, int]],
) -> None:
    """talk: whether a turn is open, and the number of frames that come then."""

    async def main() -> None:
        vendor = Vendor()
        stream = ReconnectingStt(vendor, Notes())
        running = asyncio.create_task(stream.run())
        await vendor.opened.wait()
        (session,) = vendor.sessions
        session.start()
        await asyncio.sleep(1)  # what was kept before the start is sent
        said = bytearray()
        for open_turn, frames in talk:
            if open_turn:
                session.listener.speech_started(0.0)
            else:
                session.listener.turn_ended(0.0)
            before, held = session.sent, len(said) - len(session.audio)
            for _ in range(frames):
                frame = numbered(0.02, first=len(said) // 2)
                said += frame
                stream.hear(frame)
                waiting = len(said) - len(session.audio)
                assert waiting == 0 if open_turn else waiting < QUIET_PIECE_BYTES
                assert said.startswith(session.audio)
            pieces = frames if open_turn else (held + 320 * frames) // QUIET_PIECE_BYTES
            assert session.sent - before == pieces
        running.cancel()
        await asyncio.wait((running,))

    virtual_time.run(main())


# --- what is charged for --------------------------------------------------------------------------


def reporting(stream: ReconnectingStt, used: list[Any]) -> asyncio.Task[None]:
    async def call() -> None:
        report_to(used.append)
        await stream.run()

    return asyncio.create_task(call())


@given(STEPS)
def test_each_session_reports_the_audio_that_it_was_sent(steps: list[Step]) -> None:
    virtual_time.run(sessions_of_a_call(steps))


async def sessions_of_a_call(steps: list[Step]) -> None:
    vendor, used = Vendor(), list[Any]()
    stream = ReconnectingStt(vendor, Notes(), source=("asr.test", "a-model"))
    running = reporting(stream, used)
    await vendor.opened.wait()
    for what, samples in steps:
        session = vendor.sessions[-1]
        if what == "hear":
            stream.hear(numbered(samples / 8000))
        elif what == "start" and session.started_at is None:
            session.start()
        elif what == "drop":
            vendor.opened.clear()
            session.end()
            await vendor.opened.wait()
        elif what == "block":
            session.writable = False
        elif what == "unblock" and not session.writable:
            session.writable = True
            if session.started_at is not None:
                session.listener.resume_sending()
    running.cancel()
    await asyncio.wait((running,))
    started = [one for one in vendor.sessions if one.started_at is not None]
    audio = [one for one in used if isinstance(one, AudioSent)]
    assert [one.seconds for one in audio] == [len(one.audio) / 16_000 for one in started]
    assert {(one.server, one.model) for one in audio} <= {("asr.test", "a-model")}


async def test_audio_that_no_session_could_take_is_not_charged_for() -> None:
    vendor, used = Vendor(), list[Any]()
    stream = ReconnectingStt(vendor, Notes())
    running = reporting(stream, used)
    await vendor.opened.wait()
    (session,) = vendor.sessions
    session.start()
    session.writable = False
    for _ in range(40):
        stream.hear(numbered(1))
    session.writable = True
    stream.hear(numbered(1))
    running.cancel()
    await asyncio.wait((running,))
    assert used[0].seconds == len(session.audio) / 16_000 < 20
