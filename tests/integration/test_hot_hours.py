"""Hours of many series are asked for a few at a time: each must come with its own."""

import asyncio

from api.queries.hot_store import HotStore, connect
from tests.integration.conftest import RedisServer, Writer
from udfs.hot_series import HOUR_MS, Pane, unpack_hour

BEGIN_MS = 1_769_857_200_000
HOURS = 25
DEVICES = [f"d{number:02}" for number in range(30)]


def test_each_of_many_series_comes_with_its_own_hours(redis_server: RedisServer, writer: Writer) -> None:
    kept = {
        (device, hour): Pane(BEGIN_MS + hour * HOUR_MS, 1, *[float(1000 * number + hour)] * 5)
        for number, device in enumerate(DEVICES)
        for hour in range(number, HOURS, 3)
    }
    for (device, _), pane in kept.items():
        writer.pane(device, "t", pane)
    found = asyncio.run(_hours(redis_server))
    assert list(found) == [(device, "t") for device in DEVICES]
    told = {
        (device, (start - BEGIN_MS) // HOUR_MS): pane
        for (device, _), hours in found.items()
        for start, stored in hours
        for pane in unpack_hour(start, stored)
    }
    assert told == kept


async def _hours(server: RedisServer) -> dict[tuple[str, str], list[tuple[int, bytes]]]:
    store = HotStore(connect(server.config))
    try:
        series = [(device, "t") for device in DEVICES]
        asked = store.hours("demo", series, BEGIN_MS + 1, BEGIN_MS + HOURS * HOUR_MS)
        return {one: hours async for one, hours in asked}
    finally:
        await store.close()
