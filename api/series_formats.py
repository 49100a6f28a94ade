"""Writes series as JSON, CSV, Arrow (IPC stream) or Parquet: `format=`, or the Accept header."""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import quote

import msgspec
import numpy as np
from fastapi import Response

from api.queries.series_points import Columns, points, time_texts
from udfs.local_buckets import LocalClock

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["json", "csv", "arrow", "parquet"]
MEDIA_TYPES: dict[Format, str] = {
    "json": "application/json",
    "csv": "text/csv",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}
# Where a table carries the rest of the answer: of the schema's metadata, and the header for CSV.
METADATA_KEY = b"millrace"
CURSOR_HEADER = "X-Millrace-Next-Cursor"
Shown = dict[str, dict[str, Columns]]


class Written(NamedTuple):
    """An answer to be written: its fields without points, and the points; `device` if it is of one alone."""

    fields: dict[str, Any]
    shown: Shown
    device: str | None
    per_device: dict[str, dict[str, Any]]
    clock: LocalClock


def chosen_format(asked: Format | None, accept: str | None) -> Format:
    """Return the asked format, or the first of ours that the Accept header names; else JSON."""
    if asked:
        return asked
    named = [part.partition(";")[0].strip().lower() for part in (accept or "").split(",")]
    ours = {media_type: name for name, media_type in MEDIA_TYPES.items()}
    return next((ours[each] for each in named if each in ours), "json")


def write(answer: Written, form: Format, link: str) -> Response:
    """Return the response; `link` is the question's path, for the header that leads to the next page."""
    body = _json(answer) if form == "json" else _WRITERS[form](_table(answer), answer.clock)
    headers = {"Vary": "Accept"}
    cursor = answer.fields["next_cursor"]
    if cursor:
        joint = "&" if "?" in link else "?"
        headers |= {CURSOR_HEADER: cursor, "Link": f'<{link}{joint}cursor={quote(cursor)}>; rel="next"'}
    return Response(body, media_type=MEDIA_TYPES[form], headers=headers)


def _json(answer: Written) -> bytes:
    by_device = {
        name: {**answer.per_device[name], "series": _points(metrics, answer.clock)}
        for name, metrics in answer.shown.items()
    }
    if answer.device is not None:
        return msgspec.json.encode(answer.fields | by_device[answer.device])
    return msgspec.json.encode(answer.fields | {"devices": list(by_device.values())})


def _points(metrics: dict[str, Columns], clock: LocalClock) -> dict[str, Any]:
    return {metric: points(columns, clock) for metric, columns in metrics.items()}


def _table(answer: Written) -> "pa.Table":
    """Return one row per point: device_id, metric, time, and the columns of the points."""
    import pyarrow as pa

    single = [one for metrics in answer.shown.values() for one in metrics.values()]
    names = [name for name in single[0] if name != "time_ms"] if single else []
    columns = {
        "device_id": _repeated(answer.shown, lambda device_id, _: device_id),
        "metric": _repeated(answer.shown, lambda _, metric: metric),
        "time": pa.array(_all(single, "time_ms")).cast(pa.timestamp("ms", answer.clock.name)),
    } | {name: _numbers(_all(single, name)) for name in names}
    about = msgspec.json.encode({**answer.fields, "per_device": answer.per_device})
    return pa.table(columns).replace_schema_metadata({METADATA_KEY: about})


def _all(single: list[Columns], name: str) -> Any:
    return np.concatenate([one[name] for one in single]) if single else np.empty(0, np.int64)


def _numbers(column: Any) -> "pa.Array":
    """Return a column without what is no number: an overflow, or what is not known, is null."""
    import pyarrow as pa

    return pa.array(column, mask=~np.isfinite(column) if column.dtype.kind == "f" else None)


def _repeated(shown: Shown, label: Any) -> "pa.Array":
    import pyarrow as pa

    pairs = list(_pairs(shown))
    names = [label(device_id, metric) for device_id, metric, _ in pairs]
    places = np.repeat(np.arange(len(pairs)), [count for _, _, count in pairs])
    return pa.array(names, pa.string()).take(pa.array(places, pa.int64()))


def _pairs(shown: Shown) -> Iterator[tuple[str, str, int]]:
    for device_id, metrics in shown.items():
        for metric, columns in metrics.items():
            yield device_id, metric, len(columns["time_ms"])


def _csv(table: "pa.Table", clock: LocalClock) -> bytes:
    import pyarrow as pa
    from pyarrow import csv

    times = time_texts(table["time"].cast(pa.int64()).to_numpy(), clock)
    place = table.schema.get_field_index("time")
    told = table.set_column(place, "time", pa.array(times.tolist(), pa.string()))
    sink = io.BytesIO()
    csv.write_csv(told, sink, csv.WriteOptions(quoting_style="needed"))
    return sink.getvalue()


def _arrow(table: "pa.Table", _: LocalClock) -> bytes:
    import pyarrow as pa

    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _parquet(table: "pa.Table", _: LocalClock) -> bytes:
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


_WRITERS: dict[Format, Any] = {"csv": _csv, "arrow": _arrow, "parquet": _parquet}
