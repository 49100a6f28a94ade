"""A tenant of one test: rules and devices in PostgreSQL, history in an Iceberg table, the API on top."""

import itertools
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpx
import pyarrow as pa
from fastapi.testclient import TestClient

from api.app import create_app
from catalog.lake import load_lake
from catalog.migrations import connect
from catalog.registry_entries import DeviceSettings
from catalog.registry_store import Registry
from millrace.clock import to_iso
from millrace.settings import Settings
from tests.integration.alert_services import START_MS, add_tenant

HOT: dict[str, Any] = {"kind": "threshold", "metric": "temperature_c", "raise_above": 90, "for_s": 60}
RANGE = {"from": to_iso(START_MS), "to": to_iso(START_MS + 3_600_000)}
_numbers = itertools.count(1)


class Row(NamedTuple):
    """A stored reading: seconds after the start, its metrics, how it was marked, where it was."""

    device: str
    at_s: float
    metrics: dict[str, float]
    mark: str = "on_time"
    place: tuple[float, float] | None = None


def hot(device: str, at_s: float, value: float, mark: str = "on_time") -> Row:
    return Row(device, at_s, {"temperature_c": value, "pressure_bar": 1.0}, mark)


# Hot from 0 to 180 s, as it was measured. It came out of order, the row at 60 s late, that at 90 s twice: the
# duplicate says 10 degrees, which would end the run if it counted.
DISORDER = [
    hot("pump-1", 120, 95),
    hot("pump-1", 0, 95),
    hot("pump-1", 30, 95),
    hot("pump-1", 180, 80),
    hot("pump-1", 90, 95),
    hot("pump-1", 90.001, 10, "duplicate"),
]
LATE = [hot("pump-1", 60, 95, "late")]


class World:
    """A tenant of one test with its rules, its devices and its history."""

    def __init__(self, config: Settings, tenant: str = "") -> None:
        self.config = config
        self.client = TestClient(
            create_app(config), base_url="http://127.0.0.1", raise_server_exceptions=False
        )
        self.tenant = add_tenant(config, tenant or f"past-{next(_numbers)}")
        self._offset = 0

    def ask(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        """Ask the API as a user does, and return the answer's JSON."""
        parameters = {"tenant": self.tenant} | more.pop("params", {})
        with self.client:  # its life span: stores are opened and closed
            reply: httpx.Response = self.client.request(method, path, params=parameters, **more)
        assert reply.status_code == status, reply.text
        return reply.json() if reply.content else None

    def store(self, rows: Sequence[Row]) -> None:
        """Append rows as a checkpoint of the stream does."""
        with closing(load_lake(self.config)) as lake:
            table = lake.load_table(("iot", "readings"))
            columns = [self._stored(row) for row in rows]
            table.append(pa.Table.from_pylist(columns, schema=table.schema().as_arrow()))

    def _stored(self, row: Row) -> dict[str, Any]:
        self._offset += 1
        at = datetime.fromtimestamp(START_MS / 1000 + row.at_s, UTC)
        place = None if row.place is None else {"lat": row.place[0], "lon": row.place[1], "alt_m": None}
        return {
            "tenant": self.tenant, "device_id": row.device, "event_id": f"{row.device}-{row.at_s}",
            "event_time": at, "metrics": list(row.metrics.items()), "location": place, "received_at": at,
            "source": "test", "kafka_partition": 0, "kafka_offset": self._offset, "mark": row.mark,
        }  # fmt: skip

    def put(self, name: str = "too-hot", when: dict[str, Any] = HOT, **fields: Any) -> Any:
        return self.ask("POST", "/rules", 201, json={"rule": name, "when": when} | fields)

    def register(self, device_id: str, **settings: Any) -> None:
        with connect(self.config) as connection:
            Registry(connection, self.tenant).put_device(device_id, DeviceSettings(**settings))

    def backtest(self, name: str = "too-hot", status: int = 200, draft: Any = None, **params: Any) -> Any:
        path = f"/rules/{name}/backtest"
        return self.ask("POST", path, status, params=RANGE | params, json=draft)

    def fired(self, **asked: Any) -> list[tuple[str, float, float, float | None]]:
        """Return (device, onset, raised, cleared), seconds after the start."""
        return [
            (one["device_id"], *(since(one[name]) for name in ("onset_ms", "raised_ms", "cleared_ms")))
            for one in self.backtest(**asked)["instances"]
        ]


def since(at_ms: int | None) -> Any:
    """Return seconds after the start."""
    return None if at_ms is None else (at_ms - START_MS) / 1000
