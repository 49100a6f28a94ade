"""Imported readings as rows of iot.readings, and which of them are there already."""

from collections.abc import Iterable, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import BooleanExpression, EqualTo, GreaterThanOrEqual, In, LessThanOrEqual
from pyiceberg.table import Table

from catalog.backfills import PARTITION
from catalog.filters import every, moment, predicate
from millrace.reading import Reading

# More names prune no files and only cost time for each row.
_MOST_NAMES: Final = 200
_TIME: Final = pa.timestamp("us", "UTC")
_PLACE: Final = pa.struct([("lat", pa.float64()), ("lon", pa.float64()), ("alt_m", pa.float64())])
_METRICS: Final = pa.map_(pa.string(), pa.float64())
_ATTRIBUTES: Final = pa.map_(pa.string(), pa.string())
Identity = tuple[str, str]


def identity(reading: Reading) -> Identity:
    """Return what tells a reading apart within its tenant."""
    return reading.device_id, reading.event_id


def known(tables: Iterable[Table], readings: Sequence[Reading]) -> set[Identity]:
    """Return which of these readings, of one tenant, some tables hold already: by device and event id."""
    found: set[Identity] = set()
    ids = pa.array({one.event_id for one in readings}, pa.string())
    for table in tables:
        scan = table.scan(row_filter=_around(readings), selected_fields=("device_id", "event_id"))
        for batch in scan.to_arrow_batch_reader():
            same = pc.is_in(batch.column("event_id").cast(pa.string()), value_set=ids)
            rows = batch.filter(same)
            columns = (rows.column(name).to_pylist() for name in ("device_id", "event_id"))
            found.update(zip(*columns, strict=True))
    return found & set(map(identity, readings))


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


def reading_rows(readings: Sequence[Reading], first_offset: int) -> pa.Table:
    """Return readings as rows; all are late, for they come behind the watermark or might.

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
            "mark": pa.array(["late"] * len(readings), pa.string()),
        }
    )


def _times(times_ms: Sequence[int]) -> pa.Array:
    return pa.array([time_ms * 1_000 for time_ms in times_ms], pa.int64()).cast(_TIME)


def _location(one: Reading) -> dict[str, float | None] | None:
    place = one.location
    return None if place is None else {"lat": place.lat, "lon": place.lon, "alt_m": place.alt_m}


def _attributes(one: Reading) -> list[tuple[str, str]] | None:
    return None if one.attributes is None else list(one.attributes.items())
