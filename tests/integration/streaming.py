"""What the stream tests do to a running stack: send readings, look at every place they must reach."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx
from redis import Redis

from catalog.lake import load_lake
from millrace.secrets import load_secrets
from millrace.settings import Settings
from udfs.hot_series import HOUR_MS, Pane, hour_start, series_key, unpack_hour

LOOK_EVERY_S = 0.5
Rows = list[dict[str, Any]]
Found = TypeVar("Found")


def send(stack: Settings, *readings: dict[str, Any]) -> dict[str, Any]:
    """Post readings over HTTP; what the gateway answered."""
    token = load_secrets(stack).tenant_token(stack.tenant)
    url = f"http://{stack.address('gateway_http')}/v1/telemetry"
    reply = httpx.post(url, json=list(readings), headers={"Authorization": f"Bearer {token}"}, timeout=30)
    reply.raise_for_status()
    answer: dict[str, Any] = reply.json()
    return answer


def until(look: Callable[[], Found], enough: Callable[[Found], bool], patience_s: float) -> Found:
    """Look until it is enough, or fail with what was there at the end."""
    deadline = time.monotonic() + patience_s
    while not enough(found := look()):
        assert time.monotonic() < deadline, f"not within {patience_s:.0f} s; the last look found {found!r}"
        time.sleep(LOOK_EVERY_S)
    return found


def lake_rows(stack: Settings, table: str, device_id: str) -> Rows:
    """Return a device's rows of an Iceberg table."""
    scan = load_lake(stack).load_table(("iot", table)).scan(row_filter=f"device_id = '{device_id}'")
    rows: Rows = scan.to_arrow().to_pylist()
    return rows


def redis_panes(stack: Settings, device_id: str, metric: str, around_ms: int) -> list[Pane]:
    """Return the panes Redis holds of the hours around a time."""
    password = load_secrets(stack).redis.get_secret_value()
    with Redis(host=stack.bind_host, port=stack.port("redis"), password=password) as store:
        hours = [hour_start(around_ms) + step * HOUR_MS for step in (-1, 0, 1)]
        stored = [(hour, store.get(series_key(stack.tenant, device_id, metric, hour))) for hour in hours]
    return [pane for hour, text in stored if isinstance(text, bytes) for pane in unpack_hour(hour, text)]


def series(stack: Settings, device_id: str) -> dict[str, Any]:
    """Ask the API for the device's last hour; empty while it does not know the device."""
    reply = httpx.get(f"http://{stack.address('api')}/data/{device_id}", timeout=10)
    answer: dict[str, Any] = reply.json() if reply.status_code == 200 else {}
    return answer


def millrace(*words: str) -> Any:
    """Run a command of the CLI and return the JSON it printed."""
    command = [sys.executable, "-m", "millrace.cli", *words, "--json"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
