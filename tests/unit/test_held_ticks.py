"""A tick takes effect once what the log held then is here, so a starved partition accuses nobody."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.device_steps import (
    NOW_MS,
    PUMP,
    Clock,
    Read,
    Seen,
    Step,
    events,
    feed,
    feed_into,
    ms,
    take,
)
from udfs.device_state import ClosedSession, Shard, Tick, decode_shard, encode_shard
from udfs.held_ticks import MOST_HELD, PATIENCE_MS, due_ticks

pytestmark = pytest.mark.sessions

FAN = "acme/fan"
FIRST = ("online", 0, "first_reading")
PATIENCE_S = PATIENCE_MS // 1000
Expected = list[tuple[str, float, str]]
CASES: list[tuple[str, list[Step], Expected]] = [
    (
        "what has been read lets time pass at once",
        [Seen(0), Read(1), Clock(60, ends=((0, 1),))],
        [FIRST, ("offline", 60, "silence")],
    ),
    (
        "a tick waits for what lies unread, and what lay there is a sign of life",
        [Seen(0), Read(1), Clock(60, ends=((0, 3),)), Seen(50), Read(2), Seen(55), Read(3), Clock(114)],
        [FIRST],
    ),
    (
        "the silence of its own time is told when the tick takes effect, however late that is",
        [Seen(0), Read(1), Clock(60, ends=((0, 2),)), Clock(61, ends=((0, 2),)), Read(2)],
        [FIRST, ("offline", 60, "silence")],
    ),
    (
        "one partition that is behind is enough",
        [Seen(0), Read(1), Read(7, 1), Clock(60, ends=((0, 1), (1, 8))), Read(9, 1)],
        [FIRST, ("offline", 60, "silence")],
    ),
    (
        "a partition never heard of is not waited for",
        [Seen(0), Read(1), Clock(60, ends=((0, 1), (3, 99)))],
        [FIRST, ("offline", 60, "silence")],
    ),
    (
        "a partition whose records have expired is not waited for, nor are the ticks that did",
        [Seen(0), Read(1), Read(5, 1), Clock(60, ends=((0, 1), (1, 9))), Clock(70, ends=((0, 1),))],
        [FIRST, ("offline", 60, "silence")],
    ),
    (
        "what is said twice or again from an earlier place takes nothing back",
        [Seen(0), Read(4), Read(2), Clock(60, ends=((0, 4),))],
        [FIRST, ("offline", 60, "silence")],
    ),
    (
        "ticks from before there were ends wait for nothing",
        [Seen(0), Read(1), Clock(60)],
        [FIRST, ("offline", 60, "silence")],
    ),
    (
        "a pause after a silence does not excuse it, though both are told together",
        [Seen(0), Read(1), Clock(60, ends=((0, 2),)), Clock(70, 9, ends=((0, 2),)), Read(2)],
        [FIRST, ("offline", 60, "silence")],
    ),
    (
        "a pause before the silence was long enough does",
        [Seen(0), Read(1), Clock(50, ends=((0, 2),)), Clock(70, 15, ends=((0, 2),)), Read(2)],
        [FIRST],
    ),
    (
        "ticks that come in another order take effect in the order of the log",
        [Seen(0), Read(1), Clock(70, 9, ends=((0, 2),)), Clock(60, 0, ends=((0, 2),)), Read(2)],
        [FIRST, ("offline", 60, "silence")],
    ),
    (
        "patience ends, and only for the tick that has waited so long",
        [
            Seen(0),
            Read(1),
            Clock(59, ends=((0, 2),), wall_s=0),
            Clock(60, ends=((0, 3),), wall_s=1),
            Clock(61, ends=((0, 3),), wall_s=PATIENCE_S),
        ],
        [FIRST],
    ),
    (
        "a partition that is stalled does not stop detection for ever",
        [
            Seen(0),
            Read(1),
            Clock(60, ends=((0, 2),), wall_s=0),
            Clock(61, ends=((0, 3),), wall_s=PATIENCE_S - 1),
            Clock(62, ends=((0, 4),), wall_s=PATIENCE_S),
        ],
        [FIRST, ("offline", 60, "silence")],
    ),
    (
        "minutes of the log that pass at once are no reason to lose patience",
        [
            Seen(0),
            Read(1),
            *(Clock(second, ends=((0, 9),), wall_s=second / 1000) for second in range(1, 600)),
            Seen(590),
            Read(9),
            Clock(649),
        ],
        [FIRST],
    ),
]


@pytest.mark.parametrize(("steps", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_given_steps_expect_events(steps: list[Step], expected: Expected) -> None:
    assert events(feed(steps)) == expected


def test_what_is_read_in_the_pane_of_a_tick_is_here_before_it() -> None:
    shard = decode_shard(None)
    feed_into(shard, [Seen(0), Read(1)])
    assert events(take(shard, Seen(59), Read(2), Clock(61, ends=((0, 2),)))) == []
    assert shard.held == []
    assert shard.log_time_ms == ms(61)


def test_sessions_wait_for_the_readings_that_lie_unread() -> None:
    shard = decode_shard(None)
    waiting = Clock(200, ends=((0, 4),))
    steps: list[Step] = [Seen(0), Seen(0, FAN), Read(2), waiting, Seen(50), Seen(100), Read(4)]
    closed = [one for one in feed_into(shard, steps) if isinstance(one, ClosedSession)]
    assert [(one.owner, one.start_ms, one.end_ms, one.readings, one.late) for one in closed] == [
        (PUMP, ms(0), ms(100), 3, 0),
        (FAN, ms(0), ms(0), 1, 0),
    ]


def test_what_was_given_up_is_waited_for_once() -> None:
    shard = decode_shard(None)
    feed_into(
        shard, [Seen(0), Read(1), Clock(10, ends=((0, 2),)), Clock(11, ends=((0, 2),), wall_s=PATIENCE_S)]
    )
    assert shard.log_time_ms == ms(10)
    feed_into(shard, [Clock(12, ends=((0, 2),), wall_s=PATIENCE_S + 1)])
    assert (shard.log_time_ms, shard.held) == (ms(12), [])


def test_a_stalled_partition_delays_every_tick_by_the_patience_and_no_more() -> None:
    shard = decode_shard(None)
    feed_into(shard, [Seen(0), Read(1)])
    for second in range(1, 300):
        take(shard, Clock(second, ends=((0, second + 1),), wall_s=second))
        assert shard.log_time_ms == (ms(second - PATIENCE_S) if second > PATIENCE_S else 0)
    assert len(shard.held) == PATIENCE_S


def test_what_waits_is_bounded_and_keeps_the_newest_and_the_whole_pause() -> None:
    shard = decode_shard(None)
    feed_into(shard, [Seen(0), Read(1)])
    for second in range(1, 3_601):
        take(shard, Clock(second, second / 2, ends=((0, 9),)))
        assert shard.held[-1].tick.log_time_ms == ms(second)
    held = [one.tick.log_time_ms for one in shard.held]
    assert MOST_HELD // 2 <= len(held) <= MOST_HELD
    assert all(earlier < later for earlier, later in pairwise(held))
    assert len(encode_shard(shard)) < 10_000
    feed_into(shard, [Read(9)])
    assert (shard.log_time_ms, shard.paused_ms, shard.held) == (ms(3_600), 1_800_000, [])


class OldShard(msgspec.Struct, array_like=True):
    """A shard as it was written before ticks could wait."""

    devices: dict[str, str] = {}
    log_time_ms: int = NOW_MS
    watermark_ms: int = NOW_MS
    paused_ms: int = 0
    tick_paused_ms: int = 0


def test_a_blob_from_before_knows_of_nothing_read_and_waits_for_nothing() -> None:
    shard = decode_shard(msgspec.msgpack.encode(OldShard()))
    assert (shard.read, shard.held) == ({}, [])
    assert due_ticks(shard, tick := Tick(NOW_MS + 1, NOW_MS, 0, ((0, 5),)), {}, 0) == [tick]
    assert due_ticks(shard, None, {0: 6}, 0) == []
    assert due_ticks(shard, Tick(NOW_MS + 2, NOW_MS, 0, ((0, 7),)), {}, 0) == []


def test_ticks_that_wait_outlive_a_restart() -> None:
    shard = decode_shard(None)
    feed_into(shard, [Seen(0), Read(1), Clock(60, 3, ends=((0, 2),), wall_s=5)])
    again = decode_shard(encode_shard(shard))
    assert again == shard
    assert [one.tick.ends for one in again.held] == [((0, 2),)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), max_size=60))
def test_ticks_take_effect_in_order_each_once_and_only_with_all_they_cover(
    log: list[tuple[int, int]],
) -> None:
    """Each second a record lies in the log of a partition, and is read some seconds later."""
    shard = Shard(read={0: 0, 1: 0, 2: 0})
    ends, known, told = dict(shard.read), dict(shard.read), []
    unread: list[tuple[int, int, int]] = []
    for second, (partition, lag) in enumerate(log):
        ends[partition] += 1
        unread.append((second + lag, partition, ends[partition]))
        read = _come(unread, second)
        known |= read
        now = due_ticks(shard, Tick(second, second, 0, tuple(ends.items())), read, 0)
        assert all(end <= known[of] for tick in now for of, end in tick.ends)
        told += now
    told += due_ticks(shard, None, _come(unread, len(log) + 9), 0)
    assert [tick.log_time_ms for tick in told] == list(range(len(log)))


def _come(unread: list[tuple[int, int, int]], second: int) -> dict[int, int]:
    """Return what has been read by now and was not before; a partition is read in its order."""
    read: dict[int, int] = {}
    for partition in range(3):
        for one in [one for one in unread if one[1] == partition]:
            if one[0] > second:
                break
            unread.remove(one)
            read[partition] = one[2]
    return read
