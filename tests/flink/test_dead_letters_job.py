"""The dead letters job on a bounded log: every refused message as it came, with its coordinates."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from jobs.runtime.discovery import Job
from jobs.runtime.plan import plan
from millrace.clock import from_iso
from tests.flink.local_stream import declare_files, local_environment, rows_of

pytestmark = [pytest.mark.flink, pytest.mark.sessions]

NOON_MS = 1_767_268_800_123
# Out of order, twice the same bytes, hours late: a dead letter is stored whatever its time.
GIVEN = [
    ("not_utf8", b"\xff\x00\xfe", "demo", "d1", NOON_MS, 0, 7),
    ("bad_event_time", b'{"event_time":5}', None, None, NOON_MS - 60_000, 1, 0),
    ("bad_event_time", b'{"event_time":5}', None, None, NOON_MS - 60_000, 1, 1),
    ("oversize", b"x" * 10_000, "demo", "d2", NOON_MS - 6 * 3_600_000, 0, 8),
]


def message(reason: str, original: bytes, *rest: Any) -> dict[str, Any]:
    tenant, device_id, received_at_ms, partition, offset = rest
    return {
        "reason": reason,
        "detail": f"about {reason}",
        "original": base64.b64encode(original).decode(),
        "tenant": tenant,
        "device_id": device_id,
        "address": "t/demo/d/telemetry",
        "received_at_ms": received_at_ms,
        "source": "mqtt",
        "kafka_partition": partition,
        "kafka_offset": offset,
    }


def test_every_refused_message_becomes_one_row_with_its_bytes(jobs: dict[str, Job], tmp_path: Path) -> None:
    job = jobs["telemetry.dead-letter"]
    assert job.subtasks(4) == 1
    sent = [message(*given) for given in GIVEN]
    (tmp_path / "log.json").write_text("\n".join(map(json.dumps, sent)))
    tables = local_environment(tmp_path)
    declare_files(tables, tmp_path, job, "telemetry_dead_letter")
    plan(tables, job).execute().wait()
    rows = rows_of(tmp_path / "dead_letters")
    for row, one in zip(rows, sent, strict=True):
        place = f"{one['kafka_partition']}-{one['kafka_offset']}"
        assert row.pop("dead_letter_id") == place
        assert from_iso(row.pop("received_at").replace(" ", "T")) == one.pop("received_at_ms")
        assert row == one
