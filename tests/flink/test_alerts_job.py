"""Given this log of rules, contexts and readings, expect these changes of alerts: the job, bounded."""

import json
from typing import Any, NamedTuple

import numpy as np
import pytest

from jobs.runtime import udf_gather_judged
from jobs.runtime.discovery import Job
from jobs.runtime.plan import launch, plan
from millrace.clock import from_iso, to_iso
from millrace.settings import settings
from tests.flink.local_stream import Row, declare_files, local_environment, rows_of

pytestmark = [pytest.mark.flink, pytest.mark.alerts, pytest.mark.timeout(300)]

START_MS = from_iso("2026-01-01T00:00:00Z")
LAST_TICK_S = 180
# So much later than other topics `rules` is read, longer than a version takes to be in force: readings wait.
RULES_BEHIND_S = 6
# Fewer than devices: some share one, and must not mix.
SHARDS = 2


class Record(NamedTuple):
    """One record of the log: seconds from the start, by the log and by the device."""

    log_s: float
    topic: str
    name: str
    event_s: float
    metrics: dict[str, float]
    attributes: dict[str, str] = {}
    event_id: str = ""


class Expected(NamedTuple):
    """A change of an alert; times in seconds from the start."""

    kind: str
    rule: str
    version: int
    onset_s: float
    at_s: float


def rule(log_s: float, version: int, definition: dict[str, Any], state: str = "enabled") -> Record:
    attributes = {"state": state, "rule": json.dumps(definition)}
    return Record(log_s, "rules", definition["rule"], log_s, {"version": float(version)}, attributes)


def hot(above: float, **more: Any) -> dict[str, Any]:
    scope = {"devices": [more.pop("device")]}
    when = {"kind": "threshold", "metric": "t", "raise_above": above, **more}
    return {"rule": f"hot-{scope['devices'][0]}", "scope": scope, "when": when}


def sent(device: str, log_s: float, t: float, event_s: float | None = None, event_id: str = "") -> Record:
    return Record(log_s, "telemetry", device, log_s if event_s is None else event_s, {"t": t}, {}, event_id)


# By device: what is sent, and what is to be told.
CASES: dict[str, tuple[list[Record], list[Expected]]] = {
    "plain": (
        [
            rule(0, 1, hot(80, device="plain")),
            sent("plain", 5, 70),
            sent("plain", 6, 90),
            sent("plain", 9, 75),
        ],
        [Expected("raised", "hot-plain", 1, 6, 6), Expected("cleared", "hot-plain", 1, 6, 9)],
    ),
    "duplicate": (
        [
            rule(0, 1, hot(80, device="duplicate")),
            sent("duplicate", 5, 90, event_id="one"),
            sent("duplicate", 8, 70, event_id="two"),
            sent("duplicate", 9, 90, event_s=8.5, event_id="one"),
        ],
        [Expected("raised", "hot-duplicate", 1, 5, 5), Expected("cleared", "hot-duplicate", 1, 5, 8)],
    ),
    "out-of-order": (
        [
            rule(0, 1, hot(80, device="out-of-order", for_s=4)),
            sent("out-of-order", 5, 90),
            sent("out-of-order", 10, 90),
            sent("out-of-order", 11, 70, event_s=7),
        ],
        [
            Expected("raised", "hot-out-of-order", 1, 5, 10),
            Expected("withdrawn", "hot-out-of-order", 1, 5, 10),
        ],
    ),
    "late": (
        [
            rule(0, 1, hot(80, device="late")),
            sent("late", 5, 70),
            sent("late", 60, 70),
            sent("late", 61, 95, event_s=20),
        ],
        [],
    ),
    "silent": (
        [
            rule(
                0,
                1,
                {
                    "rule": "gone",
                    "scope": {"devices": ["silent"]},
                    "when": {"kind": "absence", "after_s": 30},
                },
            ),
            sent("silent", 10, 1),
            sent("silent", 70, 1),
        ],
        [
            Expected("raised", "gone", 1, 40, 40),
            Expected("cleared", "gone", 1, 40, 70),
            Expected("raised", "gone", 1, 100, 100),
        ],
    ),
    "never-seen": (
        [
            rule(
                0,
                1,
                {
                    "rule": "never",
                    "scope": {"sites": ["new-hall"]},
                    "when": {"kind": "absence", "after_s": 30},
                },
            ),
            Record(
                20,
                "device-context",
                "never-seen",
                20,
                {"registered_ms": float(START_MS + 20_000)},
                {"site": "new-hall", "profile": "p"},
            ),
        ],
        [Expected("raised", "never", 1, 50, 50)],
    ),
    "edited": (
        [
            rule(0, 1, hot(80, device="edited")),
            sent("edited", 5, 75),
            rule(10, 2, hot(70, device="edited")),
            # The version of 10 s is in force for what the log holds from 13 s on.
            sent("edited", 12.5, 76),
            sent("edited", 13.5, 76),
            sent("edited", 15, 60),
        ],
        [Expected("raised", "hot-edited", 2, 13.5, 13.5), Expected("cleared", "hot-edited", 2, 13.5, 15)],
    ),
    "disabled": (
        [
            rule(0, 1, hot(80, device="disabled")),
            sent("disabled", 5, 90),
            rule(20, 2, hot(80, device="disabled"), state="disabled"),
            sent("disabled", 30, 95),
        ],
        [Expected("raised", "hot-disabled", 1, 5, 5), Expected("cleared", "hot-disabled", 1, 5, 5)],
    ),
    "placed": (
        [
            rule(
                0,
                1,
                {
                    "rule": "north",
                    "scope": {"sites": ["n"], "tags": ["x"]},
                    "when": hot(80, device="")["when"],
                },
            ),
            sent("placed", 5, 90),
            Record(
                10, "device-context", "placed", 10, {}, {"site": "n", "profile": "p", "tags": '["x","y"]'}
            ),
            sent("placed", 15, 91),
            Record(20, "device-context", "placed", 20, {}, {"site": "s", "profile": "p"}),
        ],
        [Expected("raised", "north", 1, 15, 15), Expected("cleared", "north", 1, 15, 15)],
    ),
    "misunderstood": (
        [
            rule(0, 1, hot(80, device="misunderstood")),
            rule(2, 2, {"rule": "hot-misunderstood", "when": {"kind": "from the future"}}),
            sent("misunderstood", 5, 90),
        ],
        [Expected("raised", "hot-misunderstood", 1, 5, 5)],
    ),
}


def log() -> list[Row]:
    records = [record for given, _ in CASES.values() for record in given]
    records += [
        Record(s + 0.5, topic, "", s + 0.5, {}, {"paused_ms": "0"})
        for s in range(LAST_TICK_S)
        for topic in ("telemetry.clock", "rules", "device-context")
    ]
    offsets: dict[str, int] = {}
    rows = []
    for one in sorted(records, key=_read_s):
        offset = offsets[one.topic] = offsets.get(one.topic, -1) + 1
        rows.append(_row(one, offset))
    return rows


def _read_s(one: Record) -> float:
    return one.log_s + (RULES_BEHIND_S if one.topic == "rules" else 0)


def _row(one: Record, offset: int) -> Row:
    return {
        "topic": one.topic,
        "tenant": "demo" if one.name else "",
        "device_id": one.name,
        "event_id": one.event_id or f"id-{offset}",
        "event_time_ms": START_MS + round(one.event_s * 1000),
        "metrics": one.metrics,
        "location": None,
        "attributes": one.attributes,
        "received_at_ms": START_MS + round(one.log_s * 1000),
        "source": "mqtt",
        "kafka_partition": 0,
        "kafka_offset": offset,
        "log_time": to_iso(START_MS + round(one.log_s * 1000)),
    }


@pytest.fixture(scope="module")
def told(jobs: dict[str, Job], tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Row], list[Row]]:
    folder = tmp_path_factory.mktemp("alerts")
    (folder / "log.json").write_text("\n".join(map(json.dumps, log())))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(udf_gather_judged, "read_history", lambda *_: np.zeros(0, dtype=np.uint64))
        patch.setenv("MILLRACE_RULES__SHARDS", str(SHARDS))
        settings.cache_clear()
        tables = local_environment(folder)
        declare_files(tables, folder, jobs["alerts"], "judged")
        launch(tables, plan(tables, jobs["alerts"]), "test").get_job_execution_result().result()
    settings.cache_clear()
    return rows_of(folder / "alerts"), rows_of(folder / "alert_events")


def seconds(time_ms: int) -> float:
    return (time_ms - START_MS) / 1000


@pytest.mark.parametrize("device", CASES)
def test_alerts_are_told(told: tuple[list[Row], list[Row]], device: str) -> None:
    mine = [row for row in told[0] if row["device_id"] == device]
    found = [
        Expected(r["kind"], r["rule"], r["rule_version"], seconds(r["onset_ms"]), seconds(r["at_ms"]))
        for r in mine
    ]
    assert found == CASES[device][1]
    assert {row["key"] for row in mine} <= {f"demo/{device}"}


def test_history_holds_what_was_told(told: tuple[list[Row], list[Row]]) -> None:
    alerts, events = told
    assert sorted((r["alert_id"], r["kind"]) for r in events) == sorted(
        (r["alert_id"], r["kind"]) for r in alerts
    )
