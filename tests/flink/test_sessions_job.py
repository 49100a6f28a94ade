"""Given this log, expect these events, sessions and states: the sessions job on a bounded log."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from jobs.runtime import udf_gather
from jobs.runtime.discovery import Job
from jobs.runtime.plan import launch, plan
from millrace.clock import from_iso, to_iso
from millrace.settings import settings
from tests.flink.arrivals import CASES, Arrival, Case
from tests.flink.local_stream import Row, declare_files, local_environment, rows_of
from udfs.arrivals import shard_of
from udfs.fingerprint import fingerprints

pytestmark = [pytest.mark.flink, pytest.mark.sessions, pytest.mark.timeout(300)]

START_MS = from_iso("2026-01-01T00:00:00Z")
NAMES = [case.says for case in CASES]
LAST_TICK_S = 300
CLOCKS = 2
# Fewer than devices: some share one, and must not mix.
SHARDS = 8


class Outcome(NamedTuple):
    """What the sinks got."""

    events: list[Row]
    kept: list[Row]
    sessions: list[Row]
    presences: list[list[Any]]


def devices(case: Case) -> set[str]:
    return {arrival.device for arrival in case.given}


def ticks(written: list[tuple[float, int]]) -> Iterator[Arrival]:
    """Yield the marks of the clock, on each partition in the middle of each second; nothing pauses.

    `written` is when something was written to which partition of telemetry.
    """
    for second in range(LAST_TICK_S):
        moment = second + 0.5
        ends = Counter(partition for at_s, partition in written if at_s <= moment)
        told = {"paused_ms": "0", "ends": ",".join(f"{place}:{end}" for place, end in ends.items())}
        yield from [Arrival(moment, "", moment, "", "telemetry.clock", {}, told)] * CLOCKS


def log() -> list[Row]:
    """Return all records as they are read: by log time, but what a case gives later or starves comes then."""
    placed: list[tuple[float, Arrival]] = []
    written: list[tuple[float, int]] = []
    for case in CASES:
        newest = 0.0
        for one in case.given:
            newest = max(newest, one.log_s)
            placed.append((max(newest, one.read_s), one))
            if one.topic == "telemetry":
                written.append((newest, one.partition))
    placed += [(one.log_s, one) for one in ticks(written)]
    placed.sort(key=lambda pair: pair[0])
    offsets: Counter[tuple[str, int]] = Counter()
    rows = []
    for _, one in placed:
        place = one.topic, one.partition
        rows.append(record(one, offsets[place]))
        offsets[place] += 1
    return rows


def record(one: Arrival, offset: int) -> Row:
    return {
        "topic": one.topic,
        "tenant": "demo" if one.device else "",
        "device_id": one.device,
        "event_id": one.event or f"{one.topic}-{offset}",
        "event_time_ms": START_MS + round(one.event_s * 1000),
        "metrics": one.metrics,
        "location": None,
        "attributes": one.attributes,
        "received_at_ms": START_MS + round(one.log_s * 1000),
        "source": "mqtt",
        "kafka_partition": offset % CLOCKS if one.topic == "telemetry.clock" else one.partition,
        "kafka_offset": offset,
        "log_time": to_iso(START_MS + round(one.log_s * 1000)),
    }


@pytest.fixture(scope="module")
def outcome(jobs: dict[str, Job], tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("sessions")
    (folder / "log.json").write_text("\n".join(map(json.dumps, log())))
    job = jobs["sessions"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(udf_gather, "read_history", lambda *_: np.zeros(0, dtype=np.uint64))
        patch.setenv("MILLRACE_PRESENCE__SHARDS", str(SHARDS))
        settings.cache_clear()
        tables = local_environment(folder)
        declare_files(tables, folder, job, "arrivals")
        launch(tables, plan(tables, job), "test").get_job_execution_result().result()
    settings.cache_clear()
    written = [json.loads(row["done"]) for row in rows_of(folder / "written")]
    told, kept, sessions = (rows_of(folder / name) for name in ("device-events", "device_events", "sessions"))
    return Outcome(told, kept, sessions, written)


def moment_ms(told: str) -> int:
    return from_iso(told.replace(" ", "T"))


def seconds(time_ms: int) -> float:
    return (time_ms - START_MS) / 1000


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_events_are_told(outcome: Outcome, case: Case) -> None:
    mine = [row for row in outcome.events if row["device_id"] in devices(case)]
    sites = {row["site"] for row in mine} - {""}
    mine += [row for row in outcome.events if not row["device_id"] and row["site"] in sites]
    found = [
        (row["type"], row["device_id"] or row["site"], seconds(row["event_time"]), row["cause"])
        for row in mine
    ]
    assert _ordered(found) == _ordered(case.events)
    assert len({row["event_id"] for row in mine}) == len(mine)
    assert {row["key"] for row in mine} <= {f"demo/{name}" for name in devices(case) | {""}}


def _ordered(events: list[tuple[str, str, float, str]]) -> list[tuple[str, str, float, str]]:
    # Not by time, which may be ANY: causes tell events of a kind apart.
    return sorted(events, key=lambda event: (event[1], event[0], event[3]))


def test_what_is_told_is_kept(outcome: Outcome) -> None:
    kept = [
        row | {name: moment_ms(row[name]) for name in ("event_time", "detected_at")} for row in outcome.kept
    ]
    told = [{name: value for name, value in row.items() if name != "key"} for row in outcome.events]
    assert len(kept) > len(CASES)
    assert _by_id(kept) == _by_id(told)


def _by_id(events: list[Row]) -> list[Row]:
    return sorted(events, key=lambda event: event["event_id"])


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_sessions_go_to_the_lake(outcome: Outcome, case: Case) -> None:
    mine = [row for row in outcome.sessions if row["device_id"] in devices(case)]
    found = [
        (
            row["device_id"],
            *(seconds(moment_ms(row[name])) for name in ("session_start", "session_end")),
            row["readings"],
            row["gaps"],
        )
        for row in mine
    ]
    assert sorted(found) == sorted(case.sessions)
    assert sum(row["late_count"] for row in mine) == case.late
    assert {(row["tenant"], row["revision"], row["superseded"]) for row in mine} == {("demo", 0, False)}


def test_what_was_never_sent_is_null_and_not_some_number(outcome: Outcome) -> None:
    names = ("battery_min", "battery_max", "signal_min", "signal_max")
    found = {row["device_id"]: tuple(row.get(name) for name in names) for row in outcome.sessions}
    assert found.pop("measured") == (79.0, 80.5, -71.0, -71.0)
    assert set(found.values()) == {(None,) * 4}


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_the_hot_tier_ends_with_everyone_offline(outcome: Outcome, case: Case) -> None:
    states = {row[2]: row[3] for row in outcome.presences if row[2] in devices(case)}
    assert states == dict.fromkeys(devices(case), "offline")


def test_silence_is_found_within_two_seconds_of_its_time(outcome: Outcome) -> None:
    told = [row for row in outcome.events if (row["type"], row["cause"]) == ("offline", "silence")]
    assert told
    delays = {row["device_id"]: seconds(row["detected_at"]) - seconds(row["event_time"]) for row in told}
    assert 60 <= delays["steady"] <= 62
    assert 20 <= delays["known"] <= 22


def test_members_of_a_silent_site_name_its_event(outcome: Outcome) -> None:
    (site,) = (row for row in outcome.events if row["type"] == "site_silent")
    parts = [row for row in outcome.events if row["part_of"] == site["event_id"]]
    assert {row["type"] for row in parts} == {"offline"}
    assert len(parts) >= 1


def test_nothing_is_told_of_devices_nobody_knows(outcome: Outcome) -> None:
    known = {name for case in CASES for name in devices(case)}
    assert {row["device_id"] for row in [*outcome.events, *outcome.sessions]} - {""} <= known
    assert {row[2] for row in outcome.presences} == known


def test_some_devices_share_a_shard() -> None:
    owners = [f"demo/{name}" for case in CASES for name in sorted(devices(case))]
    shards = shard_of(fingerprints(pd.Series(owners)), SHARDS)
    assert len(set(shards.tolist())) < len(owners)
