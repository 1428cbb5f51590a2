"""The measures of the real calls find what they are for, and nothing where nothing is."""

from dataclasses import replace

import numpy as np
import pytest
from bench.voiceprint import pcm, sound
from tests.asterisk.g711 import A_LAW, MU_LAW, Law
from tests.asterisk.measures import (
    Tape,
    find,
    loud_from,
    loud_until,
    pace,
    playback,
    quiet_from,
    tones,
)
from tests.asterisk.rtp import FRAME_S, FRAME_SAMPLES, RATE, Packet

TEXT = "A sentence that is long enough to have a middle."
EXPECTED = sound(TEXT, RATE)


def packets(samples: bytes, law: Law = MU_LAW, *, begin: float = 100.0) -> list[Packet]:
    """Perfect packets of s16le at 8 kHz; numbers wrap on the way."""
    frames = [samples[at : at + 320] for at in range(0, len(samples) - 319, 320)]
    return [
        Packet(
            begin + n * FRAME_S,
            law.payload_type,
            (65_530 + n) % 65_536,
            (2**32 - 1600 + n * FRAME_SAMPLES) % 2**32,
            n == 0,
            law.encode(frame),
        )
        for n, frame in enumerate(frames)
    ]


@pytest.mark.parametrize("law", [MU_LAW, A_LAW])
def test_what_came_in_order_is_played_as_it_was_sent(law: Law) -> None:
    spoken = pcm(TEXT, RATE)
    heard = playback(packets(spoken, law), law, 99.5)
    found = find(EXPECTED, heard)
    assert found.at == pytest.approx(0.5, abs=0.001)
    assert found.correlation > 0.999
    assert found.worst > 0.99


@pytest.mark.parametrize("shift", [0.25, 0.4, 0.5, 0.9])
# The second has high tones alone, which look alike a period later.
@pytest.mark.parametrize("text", [TEXT, "This is the second part for caller alpha alone."])
def test_a_voice_that_was_resampled_is_found_between_the_samples(text: str, shift: float) -> None:
    late = np.rint(sound(text, RATE, shift=shift)).astype("<i2").tobytes()
    found = find(sound(text, RATE), late)
    assert found.correlation > 0.999
    assert abs(found.at) < 0.0003


def test_another_sentence_is_not_found() -> None:
    assert find(sound("Something else was said, at length.", RATE), pcm(TEXT, RATE)).worst < 0.5


@pytest.mark.parametrize("change", ["gap", "repeat", "cut"])
def test_one_frame_gone_wrong_shows(change: str) -> None:
    spoken = pcm(TEXT, RATE)
    middle = len(spoken) // 640 * 320
    before, frame, after = spoken[:middle], spoken[middle : middle + 320], spoken[middle + 320 :]
    damaged = {
        "gap": before + bytes(320) + after,
        "repeat": before + frame + frame + after,
        "cut": before + after,
    }
    assert find(EXPECTED, damaged[change]).worst < 0.9


def test_a_beginning_that_was_cut_off_is_a_fault_and_is_placed_before_the_start() -> None:
    found = find(EXPECTED, pcm(TEXT, RATE)[3200:])
    assert found.at == pytest.approx(-0.2, abs=0.001)
    assert found.worst == 0


def test_an_even_stream_has_its_pace_and_no_fault() -> None:
    measured = pace(packets(bytes(32_000)))
    assert measured.per_second == 50
    assert measured.gap_max_ms == pytest.approx(20, abs=0.01)
    assert (measured.jumps, measured.lost, measured.late) == (0, 0, 0)


def test_a_lost_packet_is_no_timestamp_jump_and_a_jump_is_no_loss() -> None:
    even = packets(bytes(32_000))
    assert pace([*even[:10], *even[11:]]).lost == 1
    assert pace([*even[:10], *even[11:]]).jumps == 0
    moved = [
        Packet(p.at, p.payload_type, p.sequence, p.timestamp + 640, p.marker, p.payload)
        for p in even[20:]
    ]
    assert pace([*even[:20], *moved]).jumps == 1
    assert pace([*even[:20], *moved]).lost == 0


def test_a_packet_that_was_overtaken_is_late_and_not_lost() -> None:
    even = packets(bytes(32_000))
    swapped = [*even[:10], even[11], even[10], *even[12:]]
    assert (pace(swapped).late, pace(swapped).lost) == (1, 0)


def test_a_pause_made_on_the_way_is_no_missing_sample_and_is_seen_in_the_pace() -> None:
    stream = packets(bytes(1600) + pcm(TEXT, RATE))
    half = len(stream) // 2
    late = [
        replace(packet, at=packet.at + 0.5, timestamp=(packet.timestamp + 4000) % 2**32)
        for packet in stream[half:]
    ]
    paused = [*stream[:half], *late]
    heard = Tape(paused, MU_LAW).find(EXPECTED)
    assert heard.found.worst > 0.99
    assert heard.begin == stream[5].at
    assert heard.end == late[-1].at
    assert find(EXPECTED, playback(paused, MU_LAW, 100)).worst < 0.9
    assert pace(paused).jumps == 1


@pytest.mark.parametrize("change", ["lost", "twice"])
def test_a_packet_that_is_lost_or_somebody_elses_is_missing_from_the_stream(change: str) -> None:
    even = packets(pcm(TEXT, RATE))
    middle = len(even) // 2
    wrong = [] if change == "lost" else [replace(even[middle], payload=even[middle - 1].payload)]
    tape = Tape([*even[:middle], *wrong, *even[middle + 1 :]], MU_LAW)
    assert tape.find(EXPECTED).found.worst < 0.9


def test_packets_that_were_overtaken_are_put_in_order() -> None:
    even = packets(pcm(TEXT, RATE))
    swapped = [*even[:10], even[11], even[10], *even[12:]]
    assert Tape(swapped, MU_LAW).find(EXPECTED).found.worst > 0.99


def test_sound_has_a_beginning_and_an_end_in_time() -> None:
    stream = packets(bytes(3200) + pcm("Hello.", RATE) + bytes(3200))
    lasts = len(pcm("Hello.", RATE)) / 2 / RATE
    assert loud_from(stream, MU_LAW) == pytest.approx(100.2, abs=0.021)
    assert loud_until(stream, MU_LAW) == pytest.approx(100.2 + lasts, abs=0.021)
    assert loud_until(packets(bytes(3200)), MU_LAW) is None


def test_a_sound_ends_where_a_pause_begins_not_where_the_next_one_ends() -> None:
    lasts = len(pcm("Hello.", RATE)) / 2 / RATE
    stream = packets(pcm("Hello.", RATE) + bytes(6400) + pcm("Hello.", RATE))
    assert quiet_from(stream, MU_LAW, 100.1) == pytest.approx(100 + lasts, abs=0.021)
    assert quiet_from(stream, MU_LAW, 100.05 + lasts) == 100.05 + lasts


def test_tones_are_told_by_their_pitch() -> None:
    at = np.arange(RATE // 2) / RATE
    two = 4000 * (np.sin(2 * np.pi * 440 * at) + np.sin(2 * np.pi * 1200 * at))
    assert {440, 1200} <= tones(two.astype("<i2").tobytes()) <= {430, 440, 450, 1190, 1200, 1210}
