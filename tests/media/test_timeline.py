import random
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.connection.line import RtpLine
from media.packets import MicPacket, signed16, signed32
from media.recording.timeline import REORDER_WINDOW, Reorderer, WallLine

pytestmark = pytest.mark.unit


def packet(
    number: int, *, timestamp: int | None = None, arrival_s: float | None = None, source: int = 1
) -> MicPacket:
    return MicPacket(
        source=(source, 1),
        sequence_number=number & 0xFFFF,
        timestamp=(number * 960 if timestamp is None else timestamp) & 0xFFFF_FFFF,
        arrival_s=number * 0.02 if arrival_s is None else arrival_s,
        payload=number.to_bytes(8, "big", signed=True),
    )


def numbers(packets: list[MicPacket]) -> list[int]:
    return [int.from_bytes(packet.payload, "big", signed=True) for packet in packets]


@given(st.integers(), st.integers(-0x8000, 0x7FFF))
def test_distances_survive_the_wrap(start: int, distance: int) -> None:
    assert signed16((start + distance & 0xFFFF) - (start & 0xFFFF)) == distance
    assert signed32((start + distance & 0xFFFF_FFFF) - (start & 0xFFFF_FFFF)) == distance


class TestReorderer:
    @given(st.integers(0, 0xFFFF), st.integers(0, 400), st.randoms(use_true_random=False))
    def test_small_disorder_and_duplicates_come_out_in_order(
        self, start: int, count: int, chance: random.Random
    ) -> None:
        arriving = sorted(range(count), key=lambda number: number + chance.uniform(0, 5) * (number > 0))
        arriving = [number for number in arriving for _ in range(chance.choice([1, 1, 2]))]
        reorderer = Reorderer()
        out = [p for number in arriving for p in reorderer.push(packet(start + number))]
        out += reorderer.flush()
        assert numbers(out) == [start + number for number in range(count)]
        assert reorderer.lost == 0

    @given(st.integers(0, 0xFFFF), st.sets(st.integers(1, 298)))
    def test_it_counts_what_never_came(self, start: int, missing: set[int]) -> None:
        reorderer = Reorderer()
        kept = [number for number in range(300) if number not in missing]
        out = [p for number in kept for p in reorderer.push(packet(start + number))]
        out += reorderer.flush()
        assert numbers(out) == [start + number for number in kept]
        assert reorderer.lost == len(missing)

    def test_it_waits_for_a_missing_packet_no_longer_than_the_window(self) -> None:
        reorderer = Reorderer()
        assert numbers(list(reorderer.push(packet(0)))) == [0]
        for number in range(2, 2 + REORDER_WINDOW):
            assert not list(reorderer.push(packet(number)))
        assert numbers(list(reorderer.push(packet(2 + REORDER_WINDOW)))) == list(range(2, 3 + REORDER_WINDOW))
        assert not list(reorderer.push(packet(1)))
        assert (reorderer.lost, reorderer.dropped) == (1, 1)

    def test_a_new_source_begins_anew(self) -> None:
        reorderer = Reorderer()
        out = [
            *reorderer.push(packet(0)),
            *reorderer.push(packet(2)),
            *reorderer.push(packet(40_000, source=2)),
        ]
        assert numbers(out) == [0, 2, 40_000]

    @given(st.lists(st.integers(0, 0xFFFF), max_size=200))
    def test_hostile_numbers_neither_grow_it_nor_repeat_a_packet(self, arriving: list[int]) -> None:
        reorderer = Reorderer()
        out = []
        for number in arriving:
            out += list(reorderer.push(packet(number)))
            assert len(reorderer._held) <= REORDER_WINDOW
        out += list(reorderer.flush())
        assert len(out) + reorderer.dropped == len(arriving)


def positions(line: WallLine, packets: Iterable[MicPacket]) -> list[int]:
    """Where they are placed, in the order in which they came."""
    return [placed.position for p in packets for placed in line.push(p)] + [p.position for p in line.flush()]


class TestWallLine:
    def test_the_senders_timestamps_count_not_the_jitter(self) -> None:
        jitter = random.Random(4)
        line = WallLine(started_at_s=0.0)
        places = positions(
            line, (packet(n, arrival_s=n * 0.02 + jitter.uniform(0, 0.08)) for n in range(1, 400))
        )
        assert {later - earlier for earlier, later in pairwise(places)} == {960}

    def test_a_timestamp_wraps_without_a_jump(self) -> None:
        wrapping = [packet(n, timestamp=n * 960 - 960, arrival_s=1.0 + n * 0.02) for n in range(100)]
        assert positions(WallLine(started_at_s=0.0), wrapping) == [48_000 + n * 960 for n in range(100)]

    def test_a_jump_of_the_timestamps_is_anchored_by_arrival(self) -> None:
        before = [packet(n) for n in range(100)]
        after = [packet(n, timestamp=2**31 - 1 + n * 960) for n in range(100, 200)]
        assert positions(WallLine(started_at_s=0.0), before + after) == [n * 960 for n in range(200)]

    def test_another_source_is_anchored_by_arrival(self) -> None:
        line = WallLine(started_at_s=0.0)
        before, other = packet(0, timestamp=500), packet(9, timestamp=77, arrival_s=2.5, source=2)
        assert positions(line, [before, other]) == [0, 120_000]

    @pytest.mark.parametrize("held_s", [0.5, 2.5, 10.0])
    @pytest.mark.parametrize("drain_s", [0.0, 3.0])
    def test_what_a_network_held_up_and_let_go_at_once_stays_where_it_was_said(
        self, held_s: float, drain_s: float
    ) -> None:
        """From 4 s on nothing arrives, then all of it, at once or little by little."""
        end_s = 4 + held_s
        share = drain_s / (held_s + drain_s)
        late = (packet(n, arrival_s=max(n * 0.02, end_s + (n * 0.02 - 4) * share)) for n in range(200, 1500))
        places = positions(WallLine(started_at_s=0.0), [*(packet(n) for n in range(200)), *late])
        assert places == [n * 960 for n in range(1500)]

    def test_a_beginning_that_was_held_up_stays_where_it_was_said(self) -> None:
        late = [packet(n, arrival_s=max(n * 0.02, 3.0)) for n in range(300)]
        assert positions(WallLine(started_at_s=0.0), late) == [n * 960 for n in range(300)]

    @pytest.mark.parametrize("pause_s", [2.5, 600.0])
    def test_a_pause_in_which_the_senders_clock_stood_still_stays_a_pause(self, pause_s: float) -> None:
        before = [packet(n) for n in range(100)]
        after = [packet(n, arrival_s=n * 0.02 + pause_s) for n in range(100, 300)]
        places = positions(WallLine(started_at_s=0.0), before + after)
        assert places[100:] == [n * 960 + round(pause_s * 48_000) for n in range(100, 300)]

    @given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2**32 - 1), st.floats(0, 5))))
    def test_hostile_timestamps_lose_no_packet_and_hold_back_no_more_than_a_second(
        self, arriving: list[tuple[int, int, float]]
    ) -> None:
        line, now_s, out = WallLine(started_at_s=0.0), 0.0, 0
        for number, (source, timestamp, pause_s) in enumerate(arriving):
            now_s += pause_s
            came = packet(number, timestamp=timestamp, arrival_s=now_s, source=source)
            out += len(list(line.push(came)))
            assert not line._held or now_s - line._held[0].arrival_s < 1.0
        assert out + len(list(line.flush())) == len(arriving)

    @pytest.mark.parametrize("clock_error", [-300e-6, 300e-6])
    def test_a_clock_that_drifts_stays_within_a_fifth_of_a_second(self, clock_error: float) -> None:
        half_an_hour = [packet(n, arrival_s=n * 0.02 * (1 + clock_error)) for n in range(90_000)]
        places = positions(WallLine(started_at_s=0.0), half_an_hour)
        worst = max(abs(place - p.arrival_s * 48_000) for place, p in zip(places, half_an_hour, strict=True))
        assert worst < 0.2 * 48_000


class TestRtpLine:
    @given(
        st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1), st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1)
    )
    def test_forwarding_keeps_gaps_and_distances(
        self, number: int, timestamp: int, first: int, first_timestamp: int
    ) -> None:
        line = RtpLine(sequence_number=number, timestamp=timestamp)
        sent = [
            line.forward(packet(first + n, timestamp=first_timestamp + n * 960, arrival_s=n * 0.02))
            for n in (0, 1, 2, 5, 4, 6)
        ]
        places = [place for place in sent if place is not None]
        assert len(places) == 6
        assert [signed16(place[0] - places[0][0]) for place in places] == [0, 1, 2, 5, 4, 6]
        assert [signed32(place[1] - places[0][1]) for place in places] == [
            960 * n for n in (0, 1, 2, 5, 4, 6)
        ]

    def test_from_forwarding_to_a_mix_and_back_it_never_runs_backwards(self) -> None:
        line = RtpLine(sequence_number=65_530, timestamp=2**32 - 5000)
        places = [line.forward(packet(n, timestamp=n * 960, arrival_s=n * 0.02)) for n in range(10)]
        places += [line.step(0.2 + n * 0.02, 960) for n in range(10)]
        places += [
            line.forward(packet(20 + n, timestamp=(20 + n) * 960, arrival_s=0.41 + n * 0.02))
            for n in range(5)
        ]
        found = [place for place in places if place is not None]
        assert len(found) == 25
        for before, after in pairwise(found):
            assert signed16(after[0] - before[0]) == 1
            assert 960 <= signed32(after[1] - before[1]) <= 2 * 960

    def test_a_voice_of_half_an_hour_is_forwarded_to_its_end(self) -> None:
        line = RtpLine(sequence_number=0, timestamp=0)
        places = [line.forward(packet(n, timestamp=n * 960, arrival_s=n * 0.02)) for n in range(90_000)]
        assert all(place is not None for place in places)

    def test_a_packet_from_before_the_change_is_not_sent(self) -> None:
        line = RtpLine(sequence_number=0, timestamp=0)
        line.forward(packet(10))
        line.step(0.3, 960)
        assert line.forward(packet(12)) is not None
        assert line.forward(packet(11)) is None

    def test_after_a_pause_the_timestamp_goes_on_by_wall_time(self) -> None:
        line = RtpLine(sequence_number=0, timestamp=0)
        _, first = line.step(1.0, 960)
        _, second = line.step(6.0, 960)
        assert second - first == 5 * 48_000
