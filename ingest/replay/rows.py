"""CSV rows as records, by a mapping; every error names file, line and column."""

import csv
import gzip
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from ingest.replay.formulas import FORMULAS, linear
from ingest.replay.mapping import Attribute, Mapping, Metric, Place
from ingest.replay.moments import ReadTime, time_columns
from millrace.errors import MillraceError
from millrace.reading import Location

if TYPE_CHECKING:
    import _csv


class Record(NamedTuple):
    """One row of a file: recorded time in UTC epoch milliseconds, row counted from 1 after the header."""

    label: str
    row: int
    time_ms: int
    device_id: str
    metrics: dict[str, float]
    location: Location | None
    attributes: dict[str, str] | None


class BadRow(NamedTuple):
    """A row that its mapping cannot read: its number as in `Record`, its text, and what is wrong."""

    label: str
    row: int
    text: str
    error: MillraceError


Refuse = Callable[[BadRow], None]


class Cell(NamedTuple):
    """What a metric takes from a row: the columns, their places and the arithmetic."""

    metric: str
    columns: tuple[str, ...]
    places: tuple[int, ...]
    compute: Callable[..., float]


class Layout(NamedTuple):
    """A mapping bound to the header of one file."""

    cells: tuple[Cell, ...]
    attributes: tuple[tuple[str, int], ...]
    constants: dict[str, str]
    device: Callable[[Sequence[str]], str]
    time_columns: tuple[str, ...]
    time_places: tuple[int, ...]


def label_of(path: Path, mapping: Mapping) -> str:
    """Name a file in event ids: its stem without `.csv`/`.gz`, with its folder when the mapping says so."""
    stem = path.name.removesuffix(".gz").removesuffix(".csv")
    return f"{path.resolve().parent.name}-{stem}" if mapping.label == "folder-stem" else stem


def read_rows(
    path: Path, mapping: Mapping, time_of: ReadTime, refuse: Refuse | None = None
) -> Iterator[Record]:
    """Yield a file's rows in file order.

    One that cannot be read goes to `refuse`; without it the first one raises MillraceError.
    """
    with _opened(path, mapping) as file:
        reader = csv.reader(file, delimiter=mapping.csv.separator)
        layout = _layout(path, next(reader, []), mapping)
        try:
            yield from _records(path, reader, layout, mapping, time_of, refuse)
        except (csv.Error, UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
            raise _broken(path, reader.line_num, str(error)) from None


def _opened(path: Path, mapping: Mapping) -> IO[str]:
    try:
        if path.suffix == ".gz":
            return gzip.open(path, "rt", encoding=mapping.csv.encoding, newline="")
        return path.open(encoding=mapping.csv.encoding, newline="")
    except OSError as error:
        raise MillraceError(
            f"the file cannot be read: {error.strerror}", where=str(path), mend="Check the path."
        ) from None


def _records(
    path: Path,
    reader: "_csv.Reader",
    layout: Layout,
    mapping: Mapping,
    time_of: ReadTime,
    refuse: Refuse | None,
) -> Iterator[Record]:
    label, missing = label_of(path, mapping), mapping.csv.missing
    places = _locations(mapping)
    row = 0
    for values in reader:
        if not values:
            continue
        row += 1
        try:
            time_ms = time_of([values[place] for place in layout.time_places])
            device = layout.device(values)
            metrics = _metrics(values, layout.cells, missing)
            attributes = _attributes(values, layout, missing)
        except (ValueError, IndexError, OverflowError, ArithmeticError):
            error = _explain(path, reader.line_num, values, layout, mapping)
            if refuse is None:
                raise error from None
            refuse(BadRow(label, row, mapping.csv.separator.join(values), error))
            continue
        yield Record(label, row, time_ms, mapping.device.prefix + device, metrics, places(device), attributes)


def _metrics(values: Sequence[str], cells: tuple[Cell, ...], missing: frozenset[str]) -> dict[str, float]:
    metrics = {}
    for metric, _, places, compute in cells:
        if len(places) == 1:
            text = values[places[0]]
            if text in missing:
                continue
            number = compute(text)
        else:
            texts = [values[place] for place in places]
            if not missing.isdisjoint(texts):
                continue
            number = compute(*map(float, texts))
        if not math.isfinite(number):
            raise ValueError(metric)
        metrics[metric] = number
    return metrics


def _attributes(values: Sequence[str], layout: Layout, missing: frozenset[str]) -> dict[str, str] | None:
    found = {name: values[place] for name, place in layout.attributes if values[place] not in missing}
    return (layout.constants | found) or None


def _locations(mapping: Mapping) -> Callable[[str], Location | None]:
    table = {device: _location(place) for device, place in mapping.location.by_device.items()}
    everywhere = mapping.location.constant
    constant = None if everywhere is None else _location(everywhere)
    return lambda device: table.get(device, constant)


def _location(place: Place) -> Location:
    return Location(lat=place.lat, lon=place.lon, alt_m=place.alt_m)


def _layout(path: Path, header: Sequence[str], mapping: Mapping) -> Layout:
    place_of = partial(_place_of, path, [name.strip() for name in header])
    times = time_columns(mapping.time)
    return Layout(
        cells=tuple(_cells(mapping.metrics, header, place_of)),
        attributes=tuple(_attribute_places(mapping.attributes, header, place_of)),
        constants={n: a.constant for n, a in mapping.attributes.items() if a.constant is not None},
        device=_device(path, mapping, place_of),
        time_columns=tuple(times),
        time_places=tuple(map(place_of, times)),
    )


def _place_of(path: Path, header: list[str], column: str) -> int:
    try:
        return header.index(column)
    except ValueError:
        raise MillraceError(
            f"no column {column!r}; the header has: {', '.join(header) or 'nothing'}",
            where=f"{path}, line 1",
            mend="Correct the column name or `csv.separator` in the mapping, or mark it `optional: true`.",
        ) from None


def _cells(
    metrics: dict[str, Metric], header: Sequence[str], place_of: Callable[[str], int]
) -> Iterator[Cell]:
    for name, metric in metrics.items():
        columns = metric.columns if metric.column is None else (metric.column,)
        if metric.optional and not set(columns) <= set(header):
            continue
        compute = FORMULAS[metric.formula].compute if metric.formula else linear(metric.scale, metric.offset)
        yield Cell(name, columns, tuple(map(place_of, columns)), compute)


def _attribute_places(
    attributes: dict[str, Attribute], header: Sequence[str], place_of: Callable[[str], int]
) -> Iterator[tuple[str, int]]:
    for name, attribute in attributes.items():
        if attribute.column is None or (attribute.optional and attribute.column not in header):
            continue
        yield name, place_of(attribute.column)


def _device(path: Path, mapping: Mapping, place_of: Callable[[str], int]) -> Callable[[Sequence[str]], str]:
    if mapping.device.column is not None:
        place = place_of(mapping.device.column)
        return lambda values: values[place]
    constant = mapping.device.constant or path.name.removesuffix(".gz").removesuffix(".csv")
    return lambda _: constant


def _broken(path: Path, line: int, what: str) -> MillraceError:
    return MillraceError(what, where=f"{path}, line {line}", mend="Correct the file or `csv` in the mapping.")


def _explain(path: Path, line: int, values: Sequence[str], layout: Layout, mapping: Mapping) -> MillraceError:
    """Find which column of a refused row is to blame: slow, but only ever done once."""
    needed = max((*layout.time_places, *(place for cell in layout.cells for place in cell.places)))
    if len(values) <= needed:
        return _broken(path, line, f"the row has {len(values)} columns, {needed + 1} are needed")
    for cell in layout.cells:
        for column, place in zip(cell.columns, cell.places, strict=True):
            if not _is_number(values[place]) and values[place] not in mapping.csv.missing:
                return MillraceError(
                    f"{values[place]!r} is no finite number",
                    where=f"{path}, line {line}, column {column!r}",
                    mend="Correct it, or add it to `csv.missing` in the mapping.",
                )
    texts = ", ".join(values[place] for place in layout.time_places)
    return MillraceError(
        f"{texts!r} is no time of format {mapping.time.format!r}, or a value is out of range",
        where=f"{path}, line {line}, column {', '.join(layout.time_columns)!r}",
        mend="Correct it, or `time` in the mapping.",
    )


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
