"""From a device's publish to Redis, to the API and to Iceberg, at a steady rate over MQTT."""

import threading
import time
from collections import defaultdict
from contextlib import closing
from typing import Any, NamedTuple

import httpx
import numpy as np
import pyarrow.parquet as pq
from redis import Redis

from bench.mqtt_lane import MqttLane
from catalog.lake import load_lake
from jobs.runtime.hot_store import connect
from millrace.clock import now_ms
from millrace.settings import Settings
from udfs.hot_series import devices_key

_TICK_S = 0.01
# Looking more often would be a load of its own.
_LOOK_EVERY_S = 0.05


class Percentiles(NamedTuple):
    """Milliseconds over all observations."""

    observations: int
    p50_ms: float
    p99_ms: float
    worst_ms: float


def freshness(settings: Settings, rate: int, devices: int, seconds: float) -> dict[str, Percentiles]:
    """Publish `rate` readings/s for a while and return what it took each to be seen, by place."""
    started_ms = now_ms()
    stopping = threading.Event()
    seen: dict[str, list[int]] = {"redis": [], "api": []}
    watchers = [
        threading.Thread(target=_watch_redis, args=(settings, started_ms, stopping, seen["redis"])),
        threading.Thread(target=_watch_api, args=(settings, started_ms, stopping, seen["api"])),
    ]
    for watcher in watchers:
        watcher.start()
    _publish(settings, rate, devices, seconds)
    time.sleep(5)
    stopping.set()
    for watcher in watchers:
        watcher.join()
    time.sleep(2 * settings.flink.checkpoint_interval_ms / 1000)
    lake = _lake_delays(settings, started_ms)
    return {place: _percentiles(np.array(delays)) for place, delays in (seen | {"iceberg": lake}).items()}


def _publish(settings: Settings, rate: int, devices: int, seconds: float) -> None:
    started, sent = time.monotonic(), 0
    with closing(MqttLane(settings)) as lane:
        while (elapsed := time.monotonic() - started) < seconds:
            for number in range(sent, int(elapsed * rate)):
                payload = f'{{"event_time":{now_ms()},"metrics":{{"temperature_c":{20 + number % 7}}}}}'
                lane.publish(f"t/{settings.tenant}/fresh-{number % devices}/telemetry", payload)
                sent = number + 1
            lane.turn()
            time.sleep(_TICK_S)


def _watch_redis(settings: Settings, started_ms: int, stopping: threading.Event, delays: list[int]) -> None:
    store: Redis = connect(settings)
    newest: defaultdict[bytes, float] = defaultdict(lambda: started_ms)
    while not stopping.is_set():
        found: Any = store.zrange(devices_key(settings.tenant), 0, -1, withscores=True)
        _observe(newest, [(name, time_ms) for name, time_ms in found if name.startswith(b"fresh-")], delays)
        time.sleep(_LOOK_EVERY_S)


def _watch_api(settings: Settings, started_ms: int, stopping: threading.Event, delays: list[int]) -> None:
    newest: defaultdict[bytes, float] = defaultdict(lambda: started_ms)
    with httpx.Client(base_url=f"http://{settings.address('api')}", timeout=10) as api:
        while not stopping.is_set():
            found = api.get("/devices", params={"limit": 20}).json()["devices"]
            _observe(newest, [(entry["device_id"], entry["last_seen_ms"]) for entry in found], delays)
            time.sleep(_LOOK_EVERY_S)


def _observe(newest: defaultdict[bytes, float], found: list[tuple[bytes, float]], delays: list[int]) -> None:
    at_ms = now_ms()
    for name, time_ms in found:
        if time_ms > newest[name]:
            newest[name] = time_ms
            delays.append(int(at_ms - time_ms))


def _lake_delays(settings: Settings, started_ms: int) -> list[int]:
    table = load_lake(settings).load_table(("iot", "readings"))
    commits = {snapshot.snapshot_id: snapshot.timestamp_ms for snapshot in table.snapshots()}
    delays: list[int] = []
    for entry in table.inspect.entries().to_pylist():
        committed_ms = commits.get(entry["snapshot_id"], 0)
        if committed_ms > started_ms:
            delays += _file_delays(entry["data_file"]["file_path"], committed_ms, started_ms)
    return delays


def _file_delays(path: str, committed_ms: int, started_ms: int) -> list[int]:
    columns = pq.read_table(path.removeprefix("file://"), columns=["device_id", "event_time"])
    times_ms = columns["event_time"].to_numpy().astype("datetime64[ms]").astype(np.int64)
    ours = np.array([name.startswith("fresh-") for name in columns["device_id"].to_pylist()], dtype=np.bool_)
    kept = times_ms[ours & (times_ms >= started_ms)]
    return [int(delay) for delay in committed_ms - kept]


def _percentiles(delays: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> Percentiles:
    return Percentiles(
        observations=len(delays),
        p50_ms=float(np.percentile(delays, 50)),
        p99_ms=float(np.percentile(delays, 99)),
        worst_ms=float(delays.max()),
    )
