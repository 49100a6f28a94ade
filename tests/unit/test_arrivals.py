"""What arrived in a batch, reduced per device, pane of the log and bucket of event time."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from udfs.arrivals import Gathered, Readings, activities, decode, encode, read_offsets, shard_of
from udfs.device_state import Activity, Context, Signal, Tick
from udfs.fingerprint import fingerprints

pytestmark = pytest.mark.sessions

NAN = float("nan")
# device, log time, event time, sequence, battery, signal, first
Row = tuple[str, int, int, float, float, float, bool]


def row(device: str, log_ms: int, event_ms: int, **more: Any) -> Row:
    found = {"sequence": NAN, "battery": NAN, "signal": NAN, "first": True} | more
    return (device, log_ms, event_ms, *found.values())


def columns(rows: list[Row]) -> Readings:
    frame = pd.DataFrame(rows, columns=["owner", "log", "event", "sequence", "battery", "signal", "first"])
    return Readings(
        owners=frame["owner"].to_numpy(object),
        devices=fingerprints(frame["owner"]),
        event_times_ms=frame["event"].to_numpy(np.int64),
        log_times_ms=frame["log"].to_numpy(np.int64),
        sequences=frame["sequence"].to_numpy(np.float64),
        battery=frame["battery"].to_numpy(np.float64),
        signal=frame["signal"].to_numpy(np.float64),
        first=frame["first"].to_numpy(np.bool_),
    )


def found(rows: list[Row]) -> list[Activity]:
    laid = [Activity(*one) for _, _, ones in activities(columns(rows), 3) for one in ones]
    return sorted(laid, key=lambda one: (one[:2], one[3] or 0))


def activity(owner: str, arrived_ms: int, readings: int, first: int, last: int, offset: int) -> Activity:
    return Activity(owner, arrived_ms, readings, first, last, 0, offset, *([None] * 6))


GIVEN = [
    (
        "readings of one pane and bucket are one activity, out of order or not",
        [row("t/a", 5_100, 5_000), row("t/a", 5_300, 4_000), row("t/a", 5_200, 5_150)],
        [activity("t/a", 5_300, 3, 4_000, 5_150, 50)],
    ),
    (
        "a late reading lies in a bucket of its own",
        [row("t/a", 95_100, 95_000), row("t/a", 95_200, 12_000)],
        [activity("t/a", 95_100, 1, 95_000, 95_000, 100), activity("t/a", 95_200, 1, 12_000, 12_000, 83_200)],
    ),
    (
        "a duplicate counts nothing and still says that the device is there",
        [row("t/a", 5_100, 5_000), row("t/a", 5_400, 5_000, first=False), row("t/b", 5_600, 1, first=False)],
        [
            activity("t/a", 5_100, 1, 5_000, 5_000, 100),
            Activity("t/a", 5_400, 0, None, None, 0, None, *([None] * 6)),
            Activity("t/b", 5_600, 0, None, None, 0, None, *([None] * 6)),
        ],
    ),
    (
        "devices and panes of the log are kept apart",
        [row("t/a", 999, 10), row("t/b", 999, 20), row("t/a", 1_000, 30)],
        [
            activity("t/a", 999, 1, 10, 10, 989),
            activity("t/a", 1_000, 1, 30, 30, 970),
            activity("t/b", 999, 1, 20, 20, 979),
        ],
    ),
    (
        "sequence goes by event time, extremes leave out what was not sent",
        [
            row("t/a", 100, 20, sequence=8, battery=71.5),
            row("t/a", 110, 10, sequence=7, signal=-80),
            row("t/a", 120, 15, battery=70.0, signal=-70),
        ],
        [Activity("t/a", 120, 3, 10, 20, 0, 80, 7, 8, 70.0, 71.5, -80.0, -70.0)],
    ),
    ("a batch without readings has none", [], []),
]


@pytest.mark.parametrize(("given", "expect"), [case[1:] for case in GIVEN], ids=[case[0] for case in GIVEN])
def test_readings_become_activities(given: list[Row], expect: list[Activity]) -> None:
    assert found(given) == expect


def test_the_cut_into_batches_changes_no_count() -> None:
    rows = [row(f"t/{n % 7}", 1_000 * n, 1_000 * n - 300 * (n % 11), first=n % 5 != 0) for n in range(200)]
    whole = found(rows)
    parts = [one for begin in range(0, 200, 13) for one in found(rows[begin : begin + 13])]
    assert sum(one.readings for one in whole) == sum(one.readings for one in parts) == 160
    assert {one.owner: one.last_event_ms for one in whole if one.readings} == {
        one.owner: one.last_event_ms for one in sorted(parts, key=lambda one: one[1]) if one.readings
    }


def test_activities_are_laid_by_pane_and_shard() -> None:
    devices = [row(f"t/{n}", 1_900 + 10 * n, n) for n in range(50)]
    laid = list(activities(columns(devices), 4))
    assert sorted({pane for pane, _, _ in laid}) == [1_000, 2_000]
    for pane, shard, ones in laid:
        owners = pd.Series([one[0] for one in ones])
        assert set(shard_of(fingerprints(owners), 4).tolist()) == {shard}
        assert {one[1] - one[1] % 1_000 for one in ones} == {pane}
    assert sum(len(ones) for _, _, ones in laid) == 50


def test_what_is_reduced_survives_the_way_as_text() -> None:
    given = [
        row("t/a", 5_100, 5_000, sequence=7),
        row("t/a", 5_200, 5_010, battery=3),
        row("t/b", 9, 1, first=False),
    ]
    parts = [encode(Gathered(ones)) for _, _, ones in activities(columns(given), 3)]
    assert sorted(decode(",".join(parts)).activities) == [
        Activity("t/a", 5_200, 2, 5_000, 5_010, 0, 100, 7, None, 3.0, 3.0, None, None),
        Activity("t/b", 9, 0, None, None, 0, None, *([None] * 6)),
    ]


def test_what_is_encoded_comes_back_whatever_a_name_holds() -> None:
    odd = 't/say "hi", \\ {pümp}\n\t7'
    first = Gathered([activity(odd, 1, 2, 3, 4, 5)], [Signal(odd, 9, "lost")], [], Tick(500, 400, 0))
    known = Context(odd, "hall", "pump", "1", 20_000, 5_000, None, 7)
    second = Gathered([], [], [known], Tick(900, 800, 10))
    whole = decode(f"{encode(first)},{encode(second)}")
    assert whole == Gathered(first.activities, first.signals, [known], Tick(900, 800, 10))
    assert decode(f"{encode(second)},{encode(first)}").tick == Tick(900, 800, 10)


# partition, offset, log time of rows; then pane -> partition -> offset
READ: list[tuple[str, list[tuple[int, int, int]], dict[int, dict[int, int]]]] = [
    ("nothing", [], {}),
    ("one behind the newest of a pane", [(0, 4, 1_100), (0, 5, 1_900)], {1_000: {0: 6}}),
    (
        "each pane",
        [(0, 4, 1_999), (0, 5, 2_000), (0, 6, 5_000)],
        {1_000: {0: 5}, 2_000: {0: 6}, 5_000: {0: 7}},
    ),
    ("each partition", [(3, 9, 1_000), (0, 4, 1_100), (3, 10, 1_200)], {1_000: {0: 5, 3: 11}}),
    (
        "in turns",
        [(1, 9, 2_000), (0, 4, 1_100), (1, 10, 3_000)],
        {2_000: {1: 10}, 1_000: {0: 5}, 3_000: {1: 11}},
    ),
    ("a clock that goes back waits", [(0, 4, 2_100), (0, 5, 1_900), (0, 6, 2_200)], {2_000: {0: 7}}),
]


@pytest.mark.parametrize(("given", "expect"), [case[1:] for case in READ], ids=[case[0] for case in READ])
def test_how_far_partitions_are_read_is_told_with_each_pane(
    given: list[tuple[int, int, int]], expect: dict[int, dict[int, int]]
) -> None:
    columns = np.array(given, dtype=np.int64).reshape(-1, 3).T
    assert read_offsets(*columns) == expect


def test_of_what_was_read_the_farthest_counts_whichever_part_comes_first() -> None:
    parts = [Gathered(read={0: 5, 1: 7}), Gathered(read={0: 9}), Gathered(read={1: 6, 12: 1})]
    for order in (parts, parts[::-1]):
        assert decode(",".join(map(encode, order))).read == {0: 9, 1: 7, 12: 1}


def test_a_text_from_before_offsets_were_told_is_read() -> None:
    assert decode("[[],[],[],[500,400,7]]") == Gathered(tick=Tick(500, 400, 7))
