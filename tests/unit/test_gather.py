"""What the marks of the clock become in `gather`: one tick a second, whatever the number of partitions."""

from typing import Any

import pandas as pd
import pytest

from jobs.runtime.event_clock import TOLD_BY
from jobs.runtime.udf_gather import COLUMNS, Gather, tick_of
from tests.unit.device_steps import PUMP, Seen, ms
from udfs.arrivals import Gathered, decode
from udfs.device_state import DeviceEvent, Shard, Tick
from udfs.presence import advance

pytestmark = pytest.mark.sessions

SHARDS = 3
OUT_OF_ORDER_MS = 10_000
START_MS = 1_800_000_000_000


def mark(partition: int, log_s: float, event_s: float, paused_ms: int = 0) -> dict[str, Any]:
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
        "notice": str(paused_ms),
    }


def gathered(*rows: dict[str, Any]) -> list[dict[int, Gathered]]:
    """Gather one batch; what was laid on each row, by shard."""
    step = Gather()
    step._shards, step._out_of_orderness_ms = SHARDS, OUT_OF_ORDER_MS
    laid = step.eval(*(pd.Series([row.get(name) for row in rows]) for name in COLUMNS)).tolist()
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
