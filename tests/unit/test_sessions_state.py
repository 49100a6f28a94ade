"""Sessions built from activities in any order against an oracle that sees all readings at once."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.sessions import expected_sessions
from udfs.device_state import (
    Activity,
    Change,
    ClosedSession,
    Context,
    Presence,
    Shard,
    Tick,
    decode_shard,
    encode_shard,
)
from udfs.presence import advance
from udfs.sessions import MOST_OPEN, gap_after_ms, sessionize

pytestmark = pytest.mark.sessions

NOW_MS = 1_767_225_600_000
OFFLINE_AFTER_MS = 60_000
INTERVAL_MS = 10_000
GAP_AFTER_MS = 20_000
BUCKET_MS = 10_000
FAR_MS = 10**9


class Reading(NamedTuple):
    """A reading; `at_s` is its event time after NOW_MS."""

    at_s: float
    battery: float | None = None
    signal: float | None = None
    device: str = "acme/pump"
    duplicate: bool = False
    late: bool = False

    @property
    def event_ms(self) -> int:
        return NOW_MS + round(self.at_s * 1000)


def pane(readings: Iterable[Reading], arrived_ms: int = NOW_MS) -> list[Activity]:
    """Reduce readings as the job's SQL does: one activity per device and event-time bucket."""
    groups: dict[tuple[str, int], list[Reading]] = {}
    for reading in readings:
        groups.setdefault((reading.device, reading.event_ms // BUCKET_MS), []).append(reading)
    return [_activity(device, group, arrived_ms) for (device, _), group in groups.items()]


def _activity(device: str, group: list[Reading], arrived_ms: int) -> Activity:
    wanted = [reading for reading in group if not reading.duplicate]
    times = [reading.event_ms for reading in wanted]
    batteries = [reading.battery for reading in wanted if reading.battery is not None]
    signals = [reading.signal for reading in wanted if reading.signal is not None]
    return Activity(
        device,
        arrived_ms,
        len(wanted),
        min(times, default=None),
        max(times, default=None),
        sum(reading.late for reading in wanted),
        None,
        None,
        None,
        min(batteries, default=None),
        max(batteries, default=None),
        min(signals, default=None),
        max(signals, default=None),
    )


def tick(watermark_s: float) -> Tick:
    return Tick(NOW_MS, NOW_MS + round(watermark_s * 1000), 0)


def closed(changes: Iterable[Change]) -> list[ClosedSession]:
    return [change for change in changes if isinstance(change, ClosedSession)]


def run(steps: list[list[Reading] | float], shard: Shard | None = None) -> list[ClosedSession]:
    """Feed panes (lists of readings) and watermarks (seconds) in order; return what was closed."""
    shard = shard or decode_shard(None)
    told: list[ClosedSession] = []
    for step in steps:
        if isinstance(step, list):
            told += closed(advance(shard, pane(step), [], [], None))
        else:
            told += closed(advance(shard, [], [], [], tick(step)))
    return told


def short(session: ClosedSession) -> tuple[float, float, int, int, int]:
    start_s, end_s = ((time_ms - NOW_MS) / 1000 for time_ms in (session.start_ms, session.end_ms))
    return start_s, end_s, session.readings, session.gaps, session.late


R = Reading
Steps = list[list[Reading] | float]
CASES: list[tuple[str, Steps, list[tuple[float, float, int, int, int]]]] = [
    (
        "readings no further apart than offline_after are one session",
        [[R(0), R(60)], 200],
        [(0, 60, 2, 1, 0)],
    ),
    (
        "a longer silence starts another",
        [[R(0), R(60.001)], 200],
        [(0, 0, 1, 0, 0), (60.001, 60.001, 1, 0, 0)],
    ),
    ("nothing closes before the watermark is past the end", [[R(0)], 60], []),
    (
        "a duplicate counts for nothing",
        [[R(0), R(0, duplicate=True)], [R(0, duplicate=True)], 61],
        [(0, 0, 1, 0, 0)],
    ),
    ("out of order readings are put in order", [[R(40)], [R(0)], [R(20)], 200], [(0, 40, 3, 0, 0)]),
    ("a reading between two sessions joins them", [[R(0)], [R(110)], [R(55)], 200], [(0, 110, 3, 2, 0)]),
    ("a silence of just the gap is none", [[R(0)], [R(20)], 100], [(0, 20, 2, 0, 0)]),
    (
        "a gap is filled while the watermark allows it",
        [[R(0)], [R(50)], 10, [R(30)], 200],
        [(0, 50, 3, 1, 0)],
    ),
    ("a gap the watermark passed stays", [[R(0)], [R(50)], 55, [R(30, late=True)], 200], [(0, 50, 3, 1, 1)]),
    (
        "a late reading of a closed session is left to the corrector",
        [[R(0)], [R(300)], 200, [R(10, late=True)], 500],
        [(0, 0, 1, 0, 0), (300, 300, 1, 0, 0)],
    ),
    (
        "a late reading that touches an open session moves its start",
        [[R(100)], 90, [R(70, late=True)], 300],
        [(70, 100, 2, 1, 1)],
    ),
    (
        "a reading just offline_after behind an older session belongs to it",
        [[R(0)], [R(200)], [R(60)], 500],
        [(0, 60, 2, 1, 0), (200, 200, 1, 0, 0)],
    ),
    (
        "sessions of a device close oldest first",
        [[R(300), R(150), R(0)], 1000],
        [(0, 0, 1, 0, 0), (150, 150, 1, 0, 0), (300, 300, 1, 0, 0)],
    ),
    (
        "a device that lags behind everyone has one session, not one a pane",
        [500, [R(0)], 505, [R(10)], 510, [R(20)], 520, 570, 571],
        [(0, 20, 3, 0, 3)],
    ),
]


@pytest.mark.parametrize(("steps", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_given_panes_and_watermarks_expect_sessions(
    steps: Steps, expected: list[tuple[float, float, int, int, int]]
) -> None:
    assert [short(session) for session in run(steps)] == expected


def test_extremes_come_from_all_panes_and_stay_null_when_never_sent() -> None:
    [told] = run([[R(0, battery=70.0)], [R(10)], [R(5, battery=90.0)], 100])
    assert (told.battery_min, told.battery_max) == (70.0, 90.0)
    assert (told.signal_min, told.signal_max) == (None, None)


def test_a_session_carries_the_context_it_closed_under() -> None:
    shard = decode_shard(None)
    context = Context("acme/pump", "mill", "slow", "2.0", 300_000, 60_000, None, None)
    told = advance(shard, pane([R(0), R(130), R(400)]), [], [context], tick(2000))
    assert [(s.site, s.profile, s.readings, s.gaps) for s in closed(told)] == [("mill", "slow", 3, 2)]


def test_presence_tells_where_the_newest_open_session_began() -> None:
    shard = decode_shard(None)
    shown = [
        _starts(advance(shard, pane(rows), [], [], None)) for rows in ([R(0)], [R(10)], [R(200)], [R(-5)])
    ]
    shown.append(_starts(advance(shard, [], [], [], tick(1000))))
    assert shown == [[NOW_MS], [], [NOW_MS + 200_000], [], [None]]


def _starts(changes: list[Change]) -> list[int | None]:
    return [change.session_start_ms for change in changes if isinstance(change, Presence)]


def test_memory_of_a_device_is_bounded() -> None:
    shard = decode_shard(None)
    for first in range(0, MOST_OPEN + 50, 1000):
        advance(shard, pane([R(1000.0 * n) for n in range(first, first + 1000)]), [], [], tick(-100))
    assert len(shard.devices["acme/pump"].sessions) == MOST_OPEN
    assert len(encode_shard(shard)) < 300_000


def test_a_live_device_takes_less_than_400_bytes() -> None:
    shard = decode_shard(None)
    names = [f"acme/device-{n:06}" for n in range(100)]
    contexts = [Context(name, "hall-3", "thermometer", "1.4.2", 60_000, 10_000, None, None) for name in names]
    rows = [R(second, 80.5, -71.25, name) for name in names for second in (0, 5, 45)]
    advance(shard, pane(rows), [], contexts, tick(-10))
    assert len(encode_shard(shard)) / len(names) < 250


def test_the_batch_form_says_the_same_as_the_oracle() -> None:
    times = np.array([0, 10, 40, 100, 161, 161], dtype=np.int64) * 1000 + NOW_MS
    battery = np.array([50, np.nan, 40, np.nan, np.nan, np.nan])
    late = np.array([False, True, False, False, True, False])
    found = sessionize(times, battery, np.full(6, np.nan), late, OFFLINE_AFTER_MS, GAP_AFTER_MS)
    assert [(s.start_ms - NOW_MS, s.end_ms - NOW_MS, *s[2:]) for s in found] == [
        (0, 100_000, 4, 2, 40.0, 50.0, None, None, 1),
        (161_000, 161_000, 2, 0, None, None, None, None, 1),
    ]
    assert sessionize(times[:0], battery[:0], battery[:0], late[:0], 1, 1) == []


@pytest.mark.parametrize(("interval_ms", "gap_ms"), [(1_000, 10_000), (5_000, 10_000), (6_000, 12_000)])
def test_a_gap_is_two_intervals_but_never_under_ten_seconds(interval_ms: int, gap_ms: int) -> None:
    assert gap_after_ms(interval_ms) == gap_ms


class Arrival(NamedTuple):
    """When in the log a reading comes, and whether it comes twice."""

    reading: Reading
    pane: int
    repeated: bool


VALUES = st.none() | st.integers(0, 100).map(float)
READINGS = st.builds(
    Reading,
    at_s=st.integers(0, 4_000).map(lambda tenth: tenth / 10)
    | st.sampled_from([0.0, 10.0, 20.0, 60.0, 80.0, 140.0]),
    battery=VALUES,
    signal=VALUES,
    device=st.sampled_from(["acme/pump", "acme/fan"]),
    duplicate=st.just(False),
    late=st.just(False),
)
LOGS = st.lists(st.builds(Arrival, READINGS, st.integers(0, 8), st.booleans()), min_size=1, max_size=40)


@settings(max_examples=40, deadline=None)
@given(
    LOGS, st.lists(st.booleans(), min_size=9, max_size=9), st.lists(st.floats(0, 1), min_size=9, max_size=9)
)
def test_any_order_any_panes_and_any_restarts_give_the_sessions_of_the_oracle(
    log: list[Arrival], restarts: list[bool], progress: list[float]
) -> None:
    shard, told = decode_shard(None), []
    watermark_ms = 0
    for number, (restart, share) in enumerate(zip(restarts, progress, strict=True)):
        if restart:
            shard = decode_shard(encode_shard(shard))
        now = [row for row in log if row.pane == number]
        rows = [row.reading for row in now] + [r.reading._replace(duplicate=True) for r in now if r.repeated]
        to_come = [row.reading.event_ms for row in log if row.pane > number]
        allowed_ms = min(to_come, default=NOW_MS + FAR_MS)
        watermark_ms = max(watermark_ms, allowed_ms - round((1 - share) * 200_000))
        told += closed(advance(shard, pane(rows), [], [], Tick(NOW_MS + number, watermark_ms, 0)))
    told += closed(advance(shard, [], [], [], Tick(NOW_MS + 10, NOW_MS + FAR_MS, 0)))
    assert_same(told, [row.reading for row in log])


def assert_same(told: list[ClosedSession], sent: list[Reading]) -> None:
    frame = pd.DataFrame(
        {
            "tenant": [reading.device.split("/")[0] for reading in sent],
            "device_id": [reading.device.split("/")[1] for reading in sent],
            "event_id": range(len(sent)),
            "event_time": [reading.event_ms for reading in sent],
            "battery_pct": pd.array([reading.battery for reading in sent], dtype="Float64"),
            "signal_dbm": pd.array([reading.signal for reading in sent], dtype="Float64"),
        }
    )
    expected = expected_sessions(frame, OFFLINE_AFTER_MS, GAP_AFTER_MS)
    rows = [
        (f"{row.tenant}/{row.device_id}", *(None if pd.isna(value) else value for value in row[2:]))
        for row in expected.itertuples(index=False)
    ]
    assert sorted(session[:9] for session in told) == sorted(rows)
    assert not any(session.late for session in told)
