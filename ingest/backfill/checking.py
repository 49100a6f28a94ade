"""`millrace mapping check`: what a file's rows would become and what would be refused; nothing is sent."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Final, NamedTuple

from ingest.backfill.elements import Element, Source, elements
from ingest.gateway.normalise import Rejection
from ingest.gateway.reasons import Reason
from ingest.replay.mapping import Mapping, columns_of
from ingest.replay.numbers import NumberForm
from ingest.replay.table import FileNotes, open_raw, open_table
from millrace.clock import to_iso
from millrace.nearest import nearest
from millrace.phrases import counted
from millrace.reading import Reading

SHOWN_ROWS: Final = 10
SHOWN_REFUSALS: Final = 5
_COLUMNS: Final = 80
TENANT: Final = "check"


class Refusals(NamedTuple):
    """How often something is refused for a reason, and where it is first."""

    reason: str
    rows: int
    examples: tuple[str, ...]


class Check(NamedTuple):
    """What a file would become; event times are UTC epoch milliseconds of its readings."""

    file: str
    form: str
    rows: int
    readings: int
    without_metric: int
    first: tuple[Reading, ...]
    refused: tuple[Refusals, ...]
    devices: int
    metrics: tuple[str, ...]
    from_ms: int | None
    to_ms: int | None
    notes: tuple[str, ...]


class _Sums:
    def __init__(self, path: Path) -> None:
        self._where = f"{path}, "
        self.first: list[Reading] = []
        self.refused: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}
        self.devices: set[str] = set()
        self.metrics: dict[str, None] = {}
        self.times_ms: list[int] = []
        self.readings = 0

    def add(self, element: Element) -> None:
        part = element.part
        if isinstance(part, Rejection):
            self.refused[part.reason.value] += 1
            seen = self.examples.setdefault(part.reason.value, [])
            if len(seen) < SHOWN_REFUSALS:
                seen.append(
                    part.detail.removeprefix(self._where)
                    if part.reason == Reason.BAD_ROW
                    else f"{_row(element)}: {part.detail}"
                )
            return
        self.readings += 1
        if len(self.first) < SHOWN_ROWS:
            self.first.append(part)
        self.devices.add(part.device_id)
        self.metrics |= dict.fromkeys(part.metrics)
        time_ms = part.event_time
        low, high = self.times_ms or (time_ms, time_ms)
        self.times_ms = [min(low, time_ms), max(high, time_ms)]


def _row(element: Element) -> str:
    return f"row {element.envelope.address.rpartition(':')[2]}"


def _is_empty(element: Element) -> bool:
    return isinstance(element.part, Rejection) and element.part.reason == Reason.EMPTY_METRICS


def check(path: Path, mapping: Mapping, now_ms: int) -> Check:
    """Read a whole file as an import would; MillraceError when the mapping does not fit it."""
    notes, sums = FileNotes(path), _Sums(path)
    # Rows without a metric are wanted here, to be counted.
    every = mapping.model_copy(update={"on_empty": "keep"})
    empty = 0
    for element in elements([path], every, Source(TENANT, "", now_ms), [notes]):
        if mapping.on_empty == "skip" and _is_empty(element):
            empty += 1
        else:
            sums.add(element)
    low, high = sums.times_ms or (None, None)
    return Check(
        file=path.name,
        form=notes.form,
        rows=sums.readings + empty + sums.refused.total(),
        readings=sums.readings,
        without_metric=empty,
        first=tuple(sums.first),
        refused=tuple(
            Refusals(reason, count, tuple(sums.examples[reason]))
            for reason, count in sums.refused.most_common()
        ),
        devices=len(sums.devices),
        metrics=tuple(sums.metrics),
        from_ms=low,
        to_ms=high,
        notes=(*notes.lines(), *_unused(path, mapping, sums.devices)),
    )


def _unused(path: Path, mapping: Mapping, devices: set[str]) -> Iterator[str]:
    """Yield what the mapping names and the file lacks, and what the file has and no key names."""
    with open_raw(path) as source:
        header = open_table(source, path, mapping, NumberForm(mapping.csv), FileNotes(path)).header
    if mapping.header:
        named = list(columns_of(mapping))
        absent = sorted({one for one in named if isinstance(one, str) and one not in header})
        for name in absent:
            near = nearest(name, header)
            yield f"optional column {name!r} is not in the file" + (
                f"; did you mean {near!r}?" if near else ""
            )
        used = {header[one - 1] if isinstance(one, int) and one <= len(header) else one for one in named}
        if others := [name for name in header if name and name not in used]:
            yield f"columns no key names: {', '.join(others)}"
    prefixed = {mapping.device.prefix + device for device in mapping.location.by_device}
    if strangers := sorted(prefixed - devices):
        yield f"location.by_device names devices the file does not have: {', '.join(strangers)}"


def as_json(found: Check) -> dict[str, object]:
    """Return a check for machines: readings as JSON of the edge format, times as RFC 3339."""
    return found._asdict() | {
        "first": [_reading(one) for one in found.first],
        "refused": [
            {"reason": one.reason, "count": one.rows, "examples": one.examples} for one in found.refused
        ],
        "from": _iso(found.from_ms),
        "to": _iso(found.to_ms),
    }


def _reading(one: Reading) -> dict[str, object]:
    place = one.location
    return {
        "device_id": one.device_id,
        "event_time": to_iso(one.event_time),
        "metrics": one.metrics,
        "location": place and {"lat": place.lat, "lon": place.lon, "alt_m": place.alt_m},
        "attributes": one.attributes,
    }


def _iso(time_ms: int | None) -> str | None:
    return None if time_ms is None else to_iso(time_ms)


def lines(found: Check) -> Iterator[str]:
    """Yield a check as lines for a person; none is cut, whatever the width of the terminal."""
    yield from _wrapped(f"{found.file}: {found.form}", "")
    span = "" if found.from_ms is None else f", {_iso(found.from_ms)} to {_iso(found.to_ms)}"
    yield f"{counted(found.readings, 'reading')} of {counted(found.devices, 'device')}{span}"
    if found.first:
        yield ""
        rows = (
            "row as a reading" if len(found.first) == 1 else f"{counted(len(found.first), 'row')} as readings"
        )
        yield f"The first {rows}:"
    for one in found.first:
        yield from _reading_lines(one)
    yield ""
    if found.without_metric:
        yield f"{counted(found.without_metric, 'row')} without any metric would be skipped (on_empty: skip)"
    yield f"{counted(sum(one.rows for one in found.refused), 'row')} would be refused"
    for refusals in found.refused:
        yield f"  {refusals.reason} {refusals.rows:,}"
        for example in refusals.examples:
            yield from _wrapped(example, "    ")
        if refusals.rows > len(refusals.examples):
            yield f"    and {refusals.rows - len(refusals.examples):,} more"
    for note in found.notes:
        yield from _wrapped(note, "")


def _reading_lines(one: Reading) -> Iterator[str]:
    yield f"  {to_iso(one.event_time)} {one.device_id}"
    yield from _filled([f"{name}={value!r}" for name, value in one.metrics.items()])
    yield from _filled([f"{name}: {text!r}" for name, text in (one.attributes or {}).items()])
    if one.location:
        altitude = "" if one.location.alt_m is None else f" alt_m={one.location.alt_m}"
        yield f"    lat={one.location.lat} lon={one.location.lon}{altitude}"


def _wrapped(text: str, indent: str) -> Iterator[str]:
    """Break a sentence between words; a longer word, such as a path, stays whole."""
    yield from wrap(
        text, _COLUMNS, initial_indent=indent, subsequent_indent=indent + "  ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _filled(parts: Sequence[str]) -> Iterator[str]:
    """Put parts side by side while they fit; one that is longer has a line of its own."""
    line = ""
    for part in parts:
        if line and len(line) + 2 + len(part) > _COLUMNS:
            yield line
            line = ""
        line = f"{line}  {part}" if line else f"    {part}"
    if line:
        yield line
