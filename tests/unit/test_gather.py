"""What `gather` tells each shard: one tick a second, whatever the partitions, and how far the log is read."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jobs.runtime.event_clock import TOLD_BY
from jobs.runtime.udf_gather import COLUMNS, Gather, tick_of
from tests.unit.device_steps import PUMP, Seen, ms
from udfs.arrivals import PANE_MS, Gathered, decode, shard_of
from udfs.device_state import DeviceEvent, Shard, Tick
from udfs.fingerprint import fingerprints
from udfs.presence import advance
from udfs.verdict import Classifier

pytestmark = pytest.mark.sessions

SHARDS = 3
OUT_OF_ORDER_MS = 10_000
START_MS = 1_800_000_000_000


def mark(partition: int, log_s: float, event_s: float, paused_ms: int = 0, ends: str = "") -> dict[str, Any]:
    moment_ms = START_MS + round(log_s * 1000)
    return {
        "topic": "telemetry.clock",
        "owner": "/",
        "identity": "/1",
        "event_time_ms": START_MS + round(event_s * 1000),
        "received_at_ms": moment_ms - 2,
        "partition": partition,
        "offset": 0,
        "log_time": pd.Timestamp(moment_ms, unit="ms"),
        "notice": f"{paused_ms} {ends}",
    }


def reading(partition: int, offset: int, log_s: float, device: str = "demo/a") -> dict[str, Any]:
    moment_ms = START_MS + round(log_s * 1000)
    return {
        "topic": "telemetry",
        "owner": device,
        "identity": f"{device}/{partition}-{offset}",
        "event_time_ms": moment_ms,
        "received_at_ms": moment_ms,
        "partition": partition,
        "offset": offset,
        "log_time": pd.Timestamp(moment_ms, unit="ms"),
    }


def gather() -> Gather:
    step = Gather()
    step._classifier = Classifier(lambda *_: np.zeros(0, dtype=np.uint64))
    step._shards, step._out_of_orderness_ms = SHARDS, OUT_OF_ORDER_MS
    return step


def gathered(*rows: dict[str, Any], step: Gather | None = None) -> list[dict[int, Gathered]]:
    """Gather one batch; what was laid on each row, by shard."""
    columns = [pd.Series([row.get(name) for row in rows]) for name in COLUMNS]
    laid = (step or gather()).eval(*columns).tolist()
    parts = [[text.split(" ", 1) for text in texts or []] for texts in laid]
    return [{int(shard): decode(text) for shard, text in ones} for ones in parts]


def test_a_mark_is_a_tick_of_every_shard() -> None:
    (found,) = gathered(mark(TOLD_BY, 5.2, 4.0, paused_ms=7))
    tick = Tick(START_MS + 5_200, START_MS + 4_000 - OUT_OF_ORDER_MS, 7)
    assert found == {shard: Gathered([], [], [], tick) for shard in range(SHARDS)}


def test_marks_of_other_partitions_tell_nothing() -> None:
    first, other, late, again = gathered(
        mark(TOLD_BY, 5.2, 4.0), mark(1, 5.3, 4.0), mark(2, 4.1, 4.0), mark(1, 5.3, 4.0)
    )
    assert (first, other, late) == ({}, {}, {})
    assert {shard: part.tick for shard, part in again.items()} == dict.fromkeys(
        range(SHARDS), Tick(START_MS + 5_200, START_MS + 4_000 - OUT_OF_ORDER_MS, 0)
    )


def test_of_marks_in_one_second_the_newest_counts_in_any_order() -> None:
    found = gathered(mark(TOLD_BY, 5.9, 4.9), mark(TOLD_BY, 5.1, 4.0))[-1]
    assert {part.tick for part in found.values()} == {
        Tick(START_MS + 5_900, START_MS + 4_900 - OUT_OF_ORDER_MS, 0)
    }


@pytest.mark.parametrize(
    ("waited_ms", "tick_after_ms"), [(-400, -400), (0, 0), (3_000, 3_000), (90_000, 3_000)]
)
def test_a_mark_that_waited_lets_no_more_time_pass_than_is_no_pause(
    waited_ms: int, tick_after_ms: int
) -> None:
    tick = tick_of(START_MS, START_MS, START_MS + waited_ms, 0)
    assert tick.log_time_ms - START_MS == tick_after_ms


def test_a_mark_that_waited_for_a_frozen_broker_calls_nobody_offline() -> None:
    shard = Shard()
    advance(shard, [Seen(0).activity()], [], [], tick_of(0, ms(0.5), ms(0.5), 0))
    # On its way when the broker froze for 90 s; the next mark knows of the pause.
    waited = advance(shard, [], [], [], tick_of(0, ms(1.5), ms(91.5), 0))
    after = advance(shard, [Seen(92).activity()], [], [], tick_of(0, ms(92.5), ms(92.5), 91_000))
    silent = advance(shard, [], [], [], tick_of(0, ms(152.5), ms(152.5), 91_000))
    assert not [one for one in [*waited, *after] if isinstance(one, DeviceEvent)]
    (offline,) = (one for one in silent if isinstance(one, DeviceEvent))
    assert (offline.type, offline.tenant + "/" + offline.device_id) == ("offline", PUMP)


def test_a_tick_says_where_the_partitions_ended() -> None:
    (found,) = gathered(mark(TOLD_BY, 5.2, 4.0, ends="0:12,3:7"))
    assert {part.tick and part.tick.ends for part in found.values()} == {((0, 12), (3, 7))}
    (before,) = gathered(mark(TOLD_BY, 5.2, 4.0))
    assert {part.tick and part.tick.ends for part in before.values()} == {()}


def test_every_shard_is_told_how_far_each_partition_was_read_pane_by_pane() -> None:
    laid = gathered(reading(0, 7, 5.1), reading(2, 40, 5.2), reading(0, 8, 5.9), reading(2, 41, 6.0))
    assert [sorted(parts) for parts in laid] == [[], [], [0, 1, 2], [0, 1, 2]]
    assert [part.read for part in laid[2].values()] == [{0: 9, 2: 41}] * SHARDS
    assert [part.read for part in laid[3].values()] == [{2: 42}] * SHARDS
    assert sum(len(part.activities) for parts in laid for part in parts.values()) == 2


def test_a_tick_and_what_was_read_before_it_come_in_one_text() -> None:
    (_, found) = gathered(reading(0, 7, 5.1), mark(TOLD_BY, 5.2, 4.0, ends="0:8"))
    come = [len(part.activities) for _, part in sorted(found.items())]
    assert come == [int(shard == _shard("demo/a")) for shard in range(SHARDS)]
    assert {part.read[0] for part in found.values()} == {8}
    assert {part.tick and part.tick.ends for part in found.values()} == {((0, 8),)}


def test_what_concerns_no_reading_tells_of_none() -> None:
    signal = mark(0, 5.2, 5.0) | {"topic": "device-signals", "owner": "demo/a", "notice": "lost"}
    (found,) = gathered(signal)
    assert [(len(part.signals), part.read, part.tick) for part in found.values()] == [(1, {}, None)]


@pytest.mark.parametrize("seed", range(5))
def test_no_shard_hears_of_an_offset_before_the_readings_up_to_it(seed: int) -> None:
    """Panes reach a shard in their order; the log's clock goes back and forth within a batch."""
    source, step = np.random.default_rng(seed), gather()
    rows: list[dict[str, Any]] = []
    laid: list[tuple[int, dict[int, Gathered]]] = []
    for batch in range(10):
        given = [_next(source, rows, batch) for _ in range(20)]
        panes = (int(row["log_time"].value // 1_000_000 // PANE_MS) for row in given)
        laid += zip(panes, gathered(*given, step=step), strict=True)
    laid.sort(key=lambda one: one[0])
    for shard in range(SHARDS):
        come: Counter[str] = Counter()
        read: Counter[int] = Counter()
        mine = [row for row in rows if _shard(row["owner"]) == shard]
        for part in (parts[shard] for _, parts in laid if shard in parts):
            come.update({activity.owner: activity.readings for activity in part.activities})
            read |= Counter(part.read)
            assert Counter(row["owner"] for row in mine if row["offset"] < read[row["partition"]]) <= come
        assert come.total() == len(mine)
        assert read == Counter(row["partition"] for row in rows)


def _next(source: np.random.Generator, rows: list[dict[str, Any]], batch: int) -> dict[str, Any]:
    """Append the next record of some partition, of one of the devices that write there."""
    partition = int(source.integers(3))
    offset = sum(row["partition"] == partition for row in rows)
    device = f"demo/{partition}-{source.integers(3)}"
    rows.append(reading(partition, offset, float(source.uniform(4 * batch, 4 * batch + 4)), device))
    return rows[-1]


def _shard(owner: str) -> int:
    (shard,) = shard_of(fingerprints(pd.Series([owner])), SHARDS).tolist()
    return int(shard)
