"""Imported readings as rows of iot.readings, and what is there for their times already."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import BooleanExpression, EqualTo, GreaterThanOrEqual, In, LessThanOrEqual
from pyiceberg.table import Table

from catalog.backfills import PARTITION
from catalog.filters import every, moment, predicate
from catalog.marks import DUPLICATE, NOT_COUNTED
from ingest.backfill.conflicts import Held, Key, key_of
from millrace.reading import Location, Reading

# More names prune no files and only cost time for each row.
_MOST_NAMES: Final = 200
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME: Final = pa.timestamp("us", "UTC")
_PLACE: Final = pa.struct([("lat", pa.float64()), ("lon", pa.float64()), ("alt_m", pa.float64())])
_METRICS: Final = pa.map_(pa.string(), pa.float64())
_ATTRIBUTES: Final = pa.map_(pa.string(), pa.string())
_HELD: Final = ("device_id", "event_time", "metrics", "location", "attributes", "received_at", "mark")


def held_rows(tables: Iterable[Table], readings: Sequence[Reading]) -> dict[Key, list[Held]]:
    """Return what some tables hold for the devices and times of these readings, which are of one tenant.

    What is marked as a duplicate says what another row says. The first that arrived comes first.
    """
    keys = {key_of(one) for one in readings}
    times = pa.array({time_ms * 1_000 for _, time_ms in keys}, pa.int64()).cast(_TIME)
    names = pa.array({device_id for device_id, _ in keys}, pa.string())
    found: dict[Key, list[Held]] = {}
    for table in tables:
        scan = table.scan(row_filter=_around(readings), selected_fields=_HELD)
        for batch in scan.to_arrow_batch_reader():
            near = pc.and_(
                pc.is_in(batch.column("event_time").cast(_TIME), value_set=times),
                pc.is_in(batch.column("device_id").cast(pa.string()), value_set=names),
            )
            other = pc.not_equal(batch.column("mark").cast(pa.string()), DUPLICATE)
            for row in batch.filter(pc.and_(near, other)).to_pylist():
                key = (row["device_id"], _ms(row["event_time"]))
                if key in keys:
                    found.setdefault(key, []).append(_held(row))
    for rows in found.values():
        rows.sort(key=lambda one: one.received_at)
    return found


def _held(row: dict[str, Any]) -> Held:
    place, attributes = row["location"], row["attributes"]
    return Held(
        metrics=dict(row["metrics"]),
        counted=row["mark"] not in NOT_COUNTED,
        received_at=_ms(row["received_at"]),
        location=Location(**place) if place and place["lat"] is not None else None,
        attributes=None if attributes is None else dict(attributes),
    )


def _ms(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(milliseconds=1)


def _around(readings: Sequence[Reading]) -> BooleanExpression:
    times_ms = [one.event_time for one in readings]
    devices = {one.device_id for one in readings}
    terms = [
        predicate(EqualTo, "tenant", readings[0].tenant),
        predicate(GreaterThanOrEqual, "event_time", moment(min(times_ms))),
        predicate(LessThanOrEqual, "event_time", moment(max(times_ms))),
    ]
    if len(devices) <= _MOST_NAMES:
        terms.append(predicate(In, "device_id", devices))
    return every(terms)


def reading_rows(readings: Sequence[Reading], marks: Sequence[str], first_offset: int) -> pa.Table:
    """Return readings as rows; those that count are late, for they come behind the watermark or might.

    The corrector takes them like every late reading: their windows, sessions and alerts become right.
    """
    texts = ("tenant", "device_id", "event_id", "source")
    columns: dict[str, pa.Array] = {
        name: pa.array([getattr(one, name) for one in readings], pa.string()) for name in texts
    }
    return pa.table(
        columns
        | {name: _times([getattr(one, name) for one in readings]) for name in ("event_time", "received_at")}
        | {
            "metrics": pa.array([list(one.metrics.items()) for one in readings], _METRICS),
            "location": pa.array([_location(one) for one in readings], _PLACE),
            "attributes": pa.array([_attributes(one) for one in readings], _ATTRIBUTES),
            "kafka_partition": pa.array([PARTITION] * len(readings), pa.int32()),
            "kafka_offset": pa.array(range(first_offset, first_offset + len(readings)), pa.int64()),
            "mark": pa.array(marks, pa.string()),
        }
    )


def _times(times_ms: Sequence[int]) -> pa.Array:
    return pa.array([time_ms * 1_000 for time_ms in times_ms], pa.int64()).cast(_TIME)


def _location(one: Reading) -> dict[str, float | None] | None:
    place = one.location
    return None if place is None else {"lat": place.lat, "lon": place.lon, "alt_m": place.alt_m}


def _attributes(one: Reading) -> list[tuple[str, str]] | None:
    return None if one.attributes is None else list(one.attributes.items())
