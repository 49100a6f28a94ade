"""Given these readings, expect these rows: the job files on a bounded log, one Flink job for all cases."""

import json
from typing import Any, NamedTuple

import numpy as np
import pytest

from jobs.runtime import udf_classify
from jobs.runtime.discovery import Job
from jobs.runtime.plan import launch, plan
from millrace.clock import from_iso, to_iso
from tests.flink.cases import CASES, HOUR_MS, Case, Reading, Window
from tests.flink.local_stream import Row, declare_files, local_environment, rows_of

pytestmark = [pytest.mark.flink, pytest.mark.stream, pytest.mark.timeout(300)]

START_MS = from_iso("2026-01-01T00:00:00Z")
NAMES = [case.says for case in CASES]


class Outcome(NamedTuple):
    """What the sinks got."""

    readings: list[Row]
    minutes: list[Row]
    written: list[list[Any]]


def start_of(case: Case) -> int:
    """Give each case an hour of its own: the next one's first reading closes its windows."""
    return START_MS + CASES.index(case) * HOUR_MS


def message(case: Case, reading: Reading, offset: int) -> Row:
    time_ms = start_of(case) + round(reading.at_s * 1000)
    return {
        "tenant": reading.tenant,
        "device_id": reading.device,
        "event_id": reading.event or f"event-{offset}",
        "event_time_ms": time_ms,
        "metrics": reading.metrics,
        "location": reading.location,
        "attributes": None,
        "received_at_ms": time_ms + 40,
        "source": "mqtt",
        "kafka_partition": 0,
        "kafka_offset": offset,
        # The log is written quickly: nothing here is old enough to be forgotten.
        "kafka_time": to_iso(START_MS + offset),
    }


def log() -> list[Row]:
    rows: list[Row] = []
    taken = 0
    for case in CASES:
        for reading in case.given:
            rows.append(message(case, reading, taken))
            taken += reading.device != ""  # a clock mark comes from another topic
    return rows


@pytest.fixture(scope="module")
def outcome(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("stream")
    (folder / "log.json").write_text("\n".join(map(json.dumps, log())))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(udf_classify, "read_history", lambda *_: np.zeros(0, dtype=np.uint64))
        tables = local_environment(folder)
        declare_files(tables, folder, job, "telemetry")
        launch(tables, plan(tables, job), "test").get_job_execution_result().result()
    written = [json.loads(row["done"]) for row in rows_of(folder / "written")]
    return Outcome(rows_of(folder / "readings"), rows_of(folder / "rollups_1m"), written)


def time_ms(text: str) -> int:
    return from_iso(text.replace(" ", "T"))


def inside(case: Case, moment_ms: int) -> bool:
    return start_of(case) <= moment_ms < start_of(case) + HOUR_MS


def mine(case: Case, outcome: Outcome) -> list[Row]:
    return [row for row in outcome.readings if inside(case, time_ms(row["event_time"]))]


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_every_message_is_stored_as_it_came_with_its_mark(outcome: Outcome, case: Case) -> None:
    rows = mine(case, outcome)
    assert [row["mark"] for row in rows] == list(case.marks)
    sent = [row for row in log() if inside(case, row["event_time_ms"]) and row["device_id"]]
    kept = ("tenant", "device_id", "event_id", "metrics", "location", "attributes", "source")
    for row, one in zip(rows, sent, strict=True):
        assert [row[name] for name in kept] == [one[name] for name in kept]
        assert (row["kafka_partition"], row["kafka_offset"]) == (0, one["kafka_offset"])
        assert time_ms(row["event_time"]) == one["event_time_ms"]
        assert time_ms(row["received_at"]) == one["received_at_ms"]


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_panes_go_to_the_hot_tier(outcome: Outcome, case: Case) -> None:
    found: dict[tuple[str, str, float], Window] = {}
    for name, tenant, device, metric, start, *values in outcome.written:
        if name == "write_panes" and inside(case, time_ms(start)):
            assert tenant == "demo"
            key = (device, metric, (time_ms(start) - start_of(case)) / 1000)
            assert key not in found
            found[key] = Window(*values)
    assert found == {(device or case.device, m, s): w for (device, m, s), w in case.panes.items()}


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_minutes_go_to_the_lake(outcome: Outcome, case: Case) -> None:
    found: dict[tuple[str, str, float], tuple[Window, int]] = {}
    for row in outcome.minutes:
        start = time_ms(row["window_start"])
        if inside(case, start):
            assert (row["tenant"], row["revision"]) == ("demo", 0)
            values = (row[name] for name in ("count", "min", "max", "sum", "first", "last"))
            key = (row["device_id"], row["metric"], (start - start_of(case)) / 1000)
            assert key not in found
            found[key] = (Window(*values), row["late_count"])
    assert found == {(device or case.device, m, s): w for (device, m, s), w in case.minutes.items()}


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_each_reading_that_is_no_duplicate_goes_to_the_newest_state(outcome: Outcome, case: Case) -> None:
    found = [row for row in outcome.written if row[0] == "write_latest" and inside(case, row[3])]
    wanted = [row for row in mine(case, outcome) if row["mark"] != "duplicate"]
    for (_, tenant, device, time, received, metrics, *place), row in zip(found, wanted, strict=True):
        assert (tenant, device, time) == (row["tenant"], row["device_id"], time_ms(row["event_time"]))
        assert received == time + 40
        assert _metrics(metrics) == row["metrics"]
        location = row["location"] or {"lat": None, "lon": None, "alt_m": None}
        assert [None if value != value else value for value in place] == [
            location[name] for name in ("lat", "lon", "alt_m")
        ]


def _metrics(text: str) -> dict[str, float]:
    return {name: float(value) for name, value in (part.split("=") for part in text[1:-1].split(", "))}


def test_what_was_written_belongs_to_a_case(outcome: Outcome) -> None:
    """A window nobody expects, in an hour nobody looks at, would otherwise go unseen."""
    moments = [time_ms(row[4]) if row[0] == "write_panes" else row[3] for row in outcome.written]
    moments += [time_ms(row["window_start"]) for row in outcome.minutes]
    assert moments
    assert all(any(inside(case, moment) for case in CASES) for moment in moments)
