"""Rows of a recording as records, by a mapping; every error names file, line and column."""

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from ingest.replay.formulas import FORMULAS, linear
from ingest.replay.mapping import Attribute, Column, Mapping, Metric, Place, zone_of
from ingest.replay.moments import ReadTime, RepeatedTime, time_columns
from ingest.replay.numbers import NumberForm, ReadNumbers
from ingest.replay.repeated_hour import settle_repeated
from ingest.replay.table import BROKEN, FileNotes, Table, open_raw, open_table, stem_of
from millrace.errors import MillraceError
from millrace.nearest import nearest
from millrace.phrases import counted
from millrace.reading import Location


class Record(NamedTuple):
    """One row of a file: recorded time in UTC epoch milliseconds, row counted from 1 after the header.

    `line` is where it begins in the file; it is known only where the time is a repeated one.
    """

    label: str
    row: int
    time_ms: int
    device_id: str
    metrics: dict[str, float]
    location: Location | None
    attributes: dict[str, str] | None
    line: int = 0


class BadRow(NamedTuple):
    """A row that its mapping cannot read: its number as in `Record`, its text, and what is wrong."""

    label: str
    row: int
    text: str
    error: MillraceError


Refuse = Callable[[BadRow], None]


class Cell(NamedTuple):
    """What a metric takes from a row: which of the numbers read from it, and the arithmetic."""

    metric: str
    columns: tuple[Column, ...]
    numbers: tuple[int, ...]
    compute: Callable[..., float] | None


class Layout(NamedTuple):
    """A mapping bound to the header of one file; `places` are those of the numbers."""

    cells: tuple[Cell, ...]
    places: tuple[int, ...]
    numbers: ReadNumbers
    attributes: tuple[tuple[str, int], ...]
    constants: dict[str, str]
    device: Callable[[Sequence[Any]], str]
    time_columns: tuple[Column, ...]
    time_places: tuple[int, ...]


class BadCell(Exception):  # noqa: N818 - a bad row is an ordinary answer here
    """What is wrong with a row, and in which column."""

    def __init__(self, what: str, column: Column | None = None, mend: str = "Correct the file.") -> None:
        super().__init__(what)
        self.what, self.column, self.mend = what, column, mend


def label_of(path: Path, mapping: Mapping) -> str:
    """Name a file: its stem without what says its format, with its folder when the mapping says so."""
    stem = stem_of(path)
    return f"{path.resolve().parent.name}-{stem}" if mapping.label == "folder-stem" else stem


def read_rows(
    path: Path,
    mapping: Mapping,
    time_of: ReadTime,
    refuse: Refuse | None = None,
    notes: FileNotes | None = None,
) -> Iterator[Record]:
    """Yield a file's rows in file order; `notes` take what is left out of it.

    One that cannot be read goes to `refuse`; without it the first one raises MillraceError.
    """
    notes, form = notes or FileNotes(path), NumberForm(mapping.csv)
    with open_raw(path) as source:
        table = open_table(source, path, mapping, form, notes)
        layout = _layout(path, table, mapping, form)
        records = _records(path, table, layout, mapping, time_of, refuse, notes)
        undecided: list[Record] = []
        if isinstance(zone_of(mapping.time.zone), ZoneInfo) and mapping.time.ambiguous == "infer":
            records = settle_repeated(records, undecided)
        try:
            yield from records
        except (csv.Error, UnicodeDecodeError, *BROKEN) as error:
            raise table.explain(error) from None
        notes.undecided_rows += [(record.row, record.line) for record in undecided]


def _records(
    path: Path,
    table: Table,
    layout: Layout,
    mapping: Mapping,
    time_of: ReadTime,
    refuse: Refuse | None,
    notes: FileNotes,
) -> Iterator[Record]:
    label, prefix = label_of(path, mapping), mapping.device.prefix
    place_of, row, width = _locations(mapping), 0, table.width
    cells, numbers_of, device_of = layout.cells, layout.numbers, layout.device
    time_places, repeated = layout.time_places, RepeatedTime
    for values in table.rows:
        if not (values and (values[0] or any(values))):
            notes.blank_rows += 1
            continue
        row += 1
        try:
            if len(values) != width:
                _check_width(values, table)
            time_ms = time_of([values[place] for place in time_places])
            device = device_of(values)
            metrics = _metrics(numbers_of(values), cells)
            attributes = _attributes(values, layout, mapping.csv.missing, table)
        except (ValueError, OverflowError, ArithmeticError, BadCell) as wrong:
            if not any(str(value).strip() for value in values):
                notes.blank_rows += 1
                row -= 1
                continue
            error = _explain(path, table.line(values), values, layout, mapping, table, wrong, time_of)
            if refuse is None:
                raise error from None
            refuse(BadRow(label, row, table.joined(values), error))
            continue
        line = table.line(values) if type(time_ms) is repeated else 0
        yield Record(label, row, time_ms, prefix + device, metrics, place_of(device), attributes, line)


def _check_width(values: Sequence[Any], table: Table) -> None:
    """Raise BadCell for a row with other columns than the header; blank ones more at its end are none."""
    wanted = len(table.header)
    if len(values) < wanted:
        raise BadCell(f"the row has {counted(len(values), 'column')}, the header {wanted}")
    if any(values[max(wanted, table.width) :]):
        raise BadCell(
            f"the row has {counted(len(values), 'column')}, the header {wanted}",
            mend="Correct the row: a text or number that holds the separator must stand in quotes.",
        )


def _metrics(numbers: Sequence[float | None], cells: tuple[Cell, ...]) -> dict[str, float]:
    metrics = {}
    for metric, _, places, compute in cells:
        number = numbers[places[0]]
        if number is None:
            continue
        if compute is not None:
            operands = [numbers[place] for place in places]
            if None in operands:
                continue
            number = compute(*operands)
        metrics[metric] = number
    # A sum of finite numbers may overflow, so only then each is looked at.
    if not math.isfinite(sum(metrics.values())):
        for metric, number in metrics.items():
            if not math.isfinite(number):
                raise ValueError(metric)
    return metrics


def _attributes(
    values: Sequence[Any], layout: Layout, missing: frozenset[str], table: Table
) -> dict[str, str] | None:
    if not layout.attributes:
        return dict(layout.constants) or None
    if table.text is None:
        found = {name: values[place] for name, place in layout.attributes if values[place] not in missing}
    else:
        texts = {name: table.text(values[place]) for name, place in layout.attributes}
        found = {name: text for name, text in texts.items() if text and text not in missing}
    if "\0" in "".join(found.values()):
        raise ValueError("a NUL character")
    return (layout.constants | found if layout.constants else found) or None


def _locations(mapping: Mapping) -> Callable[[str], Location | None]:
    table = {device: _location(place) for device, place in mapping.location.by_device.items()}
    everywhere = mapping.location.constant
    constant = None if everywhere is None else _location(everywhere)
    return lambda device: table.get(device, constant)


def _location(place: Place) -> Location:
    return Location(lat=place.lat, lon=place.lon, alt_m=place.alt_m)


def _layout(path: Path, table: Table, mapping: Mapping, form: NumberForm) -> Layout:
    place_of = partial(_place_of, path, table, mapping)
    present = partial(_present, table, mapping)
    times = time_columns(mapping.time)
    found = [
        (name, metric, metric.columns if metric.column is None else (metric.column,))
        for name, metric in mapping.metrics.items()
    ]
    # All optional ones absent is a mapping of another file.
    found = [one for one in found if not one[1].optional or all(map(present, one[2]))]
    places = tuple(dict.fromkeys(place_of(column) for _, _, columns in found for column in columns))
    cells = (
        Cell(name, columns, tuple(places.index(place_of(column)) for column in columns), _compute(metric))
        for name, metric, columns in found
    )
    return Layout(
        cells=tuple(cells),
        places=places,
        numbers=table.numbers(places),
        attributes=tuple(_attribute_places(mapping.attributes, present, place_of)),
        constants={n: a.constant for n, a in mapping.attributes.items() if a.constant is not None},
        device=_device(path, mapping, place_of, table),
        time_columns=tuple(times),
        time_places=tuple(map(place_of, times)),
    )


def _compute(metric: Metric) -> Callable[..., float] | None:
    return FORMULAS[metric.formula].compute if metric.formula else linear(metric.scale, metric.offset)


def _present(table: Table, mapping: Mapping, column: Column) -> bool:
    if isinstance(column, int) or not mapping.header:
        return str(column).isdigit() and int(column) <= table.width
    return column in table.header


def _place_of(path: Path, table: Table, mapping: Mapping, column: Column) -> int:
    header, where = table.header, f"{path}, line {table.header_line or 1}"
    if isinstance(column, int) or not mapping.header:
        if _present(table, mapping, column):
            return int(column) - 1
        what = f"no column {column!r}; the first row has {counted(table.width, 'column')}"
        raise MillraceError(what, where=where, mend="Without a header, columns are given by position from 1.")
    places = [place for place, name in enumerate(header) if name == column]
    if len(places) == 1:
        return places[0]
    if places:
        shown = " and ".join(str(place + 1) for place in places)
        raise MillraceError(
            f"the header has {column!r} more than once: columns {shown}",
            where=where,
            mend=f"Rename one, or give its position in the mapping, such as `column: {places[0] + 1}`.",
        )
    near = nearest(column, header)
    raise MillraceError(
        f"no column {column!r}; the header has: {', '.join(header) or 'nothing'}",
        where=where,
        mend=(f"Did you mean {near!r}? " if near else "") + _header_advice(header),
    )


def _header_advice(header: Sequence[str]) -> str:
    advice = "Correct the column name or `csv.separator` in the mapping, or mark it `optional: true`"
    if header and header[0][:1] in ("#", "%", "/"):
        return f"{advice}; lines of comment are left out by `csv.comment: {header[0][0]!r}`."
    return f"{advice}; lines above the header are left out by `skip_rows`."


def _attribute_places(
    attributes: dict[str, Attribute], present: Callable[[Column], bool], place_of: Callable[[Column], int]
) -> Iterator[tuple[str, int]]:
    for name, attribute in attributes.items():
        if attribute.column is None or (attribute.optional and not present(attribute.column)):
            continue
        yield name, place_of(attribute.column)


def _device(
    path: Path, mapping: Mapping, place_of: Callable[[Column], int], table: Table
) -> Callable[[Sequence[Any]], str]:
    if mapping.device.column is None:
        constant = mapping.device.constant or stem_of(path)
        return lambda _: constant
    place, text = place_of(mapping.device.column), table.text
    if text is None:
        return lambda values: values[place]
    return lambda values: text(values[place])


def _explain(
    path: Path,
    line: int,
    values: Sequence[Any],
    layout: Layout,
    mapping: Mapping,
    table: Table,
    wrong: Exception,
    time_of: ReadTime,
) -> MillraceError:
    """Find which column of a refused row is to blame: slow, but only ever done for such a row."""
    found = wrong if isinstance(wrong, BadCell) else _blamed(values, layout, mapping, wrong, time_of)
    place = f", column {found.column!r}" if found.column is not None else ""
    return MillraceError(found.what, where=f"{path}, line {line}{place}", mend=found.mend)


def _blamed(
    values: Sequence[Any], layout: Layout, mapping: Mapping, wrong: Exception, time_of: ReadTime
) -> BadCell:
    form = NumberForm(mapping.csv)
    for cell in layout.cells:
        for column, place in zip(cell.columns, cell.numbers, strict=True):
            value = values[layout.places[place]]
            try:
                number = None if value == "" and "" not in mapping.csv.missing else form.number(value)
                if number is not None and not math.isfinite(number):
                    raise ValueError(f"{value!r} is no finite number")  # noqa: TRY301 - as any other bad number
            except ValueError as error:
                return BadCell(str(error), column, _number_advice(str(value), mapping))
    column = (
        layout.time_columns[0] if len(layout.time_columns) == 1 else ", ".join(map(str, layout.time_columns))
    )
    try:
        time_of([values[place] for place in layout.time_places])
    except (ValueError, OverflowError, ArithmeticError) as error:
        shown = ", ".join(str(values[place]) for place in layout.time_places)
        what = str(error) if str(error) else f"{shown!r} is out of range"
        return BadCell(
            what if shown in what else f"{shown!r} is no time: {what}",
            column,
            "Correct it, or `time` in the mapping.",
        )
    for name, place in layout.attributes:
        if "\0" in str(values[place]):
            return BadCell(f"attribute {name!r} holds a NUL character")
    return BadCell(f"what the mapping makes of it is no finite number: {wrong}")


def _number_advice(text: str, mapping: Mapping) -> str:
    csv_ = mapping.csv
    if "," in text and csv_.decimal == "." and csv_.thousands is None:
        return "If the comma is its decimal sign, write `csv.decimal: comma` in the mapping; else correct it."
    if "." in text and csv_.decimal == "," and csv_.thousands is None:
        return (
            "If the point separates thousands, write `csv.thousands: point` in the mapping; else correct it."
        )
    return "Correct it, or add it to `csv.missing` in the mapping."
