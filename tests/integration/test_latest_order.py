"""What counts as the newest state of a device in Redis, whatever its clock says, in any order of arrival."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from jobs.runtime.hot_store import connect
from jobs.runtime.udf_write_latest import _fill
from tests.integration.own_services import own_services
from udfs.hot_series import device_key, devices_key
from udfs.latest import NEWEST_WINS_LUA, parse_latest

pytestmark = [pytest.mark.integration, pytest.mark.stream]

NOW_MS = 1_767_225_600_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with own_services(Path(tmp_path_factory.mktemp("latest")), "latest", "redis") as config:
        yield connect(config)


def write(store: Redis, device: str, *readings: tuple[int, int, float]) -> None:
    """Write readings one after the other: event time and arrival after `NOW_MS`, value."""
    script = store.register_script(NEWEST_WINS_LUA)
    for event_ms, arrived_ms, value in readings:
        row = ("demo", device, NOW_MS + event_ms, NOW_MS + arrived_ms, f"{{a={value}}}", None, None, None)
        pipeline = store.pipeline(transaction=False)
        _fill(pipeline, script, [row])
        pipeline.execute()


def shown(store: Redis, device: str) -> tuple[float, int, int]:
    """Return value, event time and last seen of a device; times after `NOW_MS`."""
    fields: Any = store.hgetall(device_key("demo", device))
    seen: Any = store.zscore(devices_key("demo"), device)
    newest = parse_latest(fields[b"a"])
    assert int(fields[b"@event_time"]) == newest.event_time_ms
    return newest.value, newest.event_time_ms - NOW_MS, int(seen) - NOW_MS


def test_a_reading_minutes_ahead_freezes_nothing(store: Redis) -> None:
    write(store, "glitch", (0, 5, 1.0), (240_000, 20, 99.0))
    assert shown(store, "glitch") == (1.0, 0, 20)
    write(store, "glitch", (1, 40, 2.0))
    assert shown(store, "glitch") == (2.0, 1, 20)


def test_a_device_that_spoke_only_from_ahead_is_shown_and_seen_no_later_than_now(store: Redis) -> None:
    write(store, "only", (240_000, 20, 99.0))
    assert shown(store, "only") == (99.0, 240_000, 20)
    write(store, "only", (30_000, 30_000, 1.0))
    assert shown(store, "only") == (1.0, 30_000, 30_000)


def test_a_clock_that_is_always_ahead_still_shows_its_newest_reading(store: Redis) -> None:
    write(store, "always", *((180_000 + n * 1_000, n * 1_000, float(n)) for n in range(5)))
    assert shown(store, "always") == (4.0, 184_000, 4_000)


def test_readings_out_of_order_and_a_clock_ahead_by_moments_go_by_event_time(store: Redis) -> None:
    write(store, "order", (3_000, 3_010, 3.0), (1_000, 3_020, 1.0), (3_050, 3_030, 4.0), (2_000, 3_040, 2.0))
    assert shown(store, "order") == (4.0, 3_050, 3_030)
