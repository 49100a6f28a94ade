"""Points of an answer, as columns: from panes by `downsample`, or from readings."""

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from api.queries.panes import PANE, Panes, combine, combine_from, first_of_each
from api.queries.series_question import Question
from api.queries.timerange import UTC
from udfs.counters import growth
from udfs.hot_series import PANE_MS
from udfs.local_buckets import LocalClock
from udfs.lttb import LEAST_POINTS, minmax_lttb

if TYPE_CHECKING:
    from api.queries.series import Gathered

# Of one device and metric; `time_ms` is the first of them.
Columns = dict[str, NDArray[Any]]
# Marks of single points, which JSON leaves out where they do not hold.
MARKS: Final = ("open", "overflow", "estimated")


class Measure(NamedTuple):
    """By what points are measured: `settles_ms` after its end one may still change, by readings on time.

    `interval_ms` is how often the device should speak, if that is known; from `open_from_ms` on only the
    newest value of the series is known.
    """

    now_ms: int
    settles_ms: int
    interval_ms: int | None = None
    open_from_ms: int | None = None


def columns_of(panes: Panes, question: Question, measure: Measure) -> Columns:
    """Return the points of a series: of every bucket, or those that LTTB keeps of finer ones."""
    if question.downsample == "lttb":
        return _picked(combine(panes, question.base_ms), question)
    begins, ends = question.buckets.bounds(panes["start_ms"])
    # Panes before the page are there for what counters grew since.
    begins, ends = np.maximum(begins, question.page.from_ms), np.minimum(ends, question.span.to_ms)
    if question.is_counted:
        return _grown(panes, begins, ends, question, measure)
    if not len(panes):
        return _aggregates(panes, begins, question) | _about(begins, ends, question, measure)
    wide, begin = combine_from(panes, begins), first_of_each(begins)
    about = _about(begins[begin], ends[begin], question, measure)
    return _aggregates(wide, begins[begin], question) | about


def _aggregates(wide: Panes, times_ms: NDArray[np.int64], question: Question) -> Columns:
    average = wide["sum"] / np.maximum(wide["count"], 1)
    overflow = ~np.isfinite(wide["sum"])
    if question.downsample == "avg":
        return {"time_ms": times_ms, "count": wide["count"], "avg": average, "overflow": overflow}
    return {
        "time_ms": times_ms,
        "count": wide["count"],
        "min": wide["min"],
        "max": wide["max"],
        "avg": average,
        "sum": wide["sum"],
        "first": wide["first"],
        "last": wide["last"],
        "overflow": overflow,
    }


def _about(
    begins: NDArray[np.int64], ends: NDArray[np.int64], question: Question, measure: Measure
) -> Columns:
    """Return what is said of buckets themselves: if they are open; how long days are, and what is due."""
    is_open = ends + measure.settles_ms > measure.now_ms
    if measure.open_from_ms is not None:
        is_open |= ends > measure.open_from_ms
    about: Columns = {"open": is_open if question.as_of is None else np.zeros(len(ends), bool)}
    if not question.has_days:
        return about
    due_ms = np.maximum(np.minimum(ends, measure.now_ms) - begins, 0)
    expected = np.full(len(ends), np.nan) if measure.interval_ms is None else due_ms // measure.interval_ms
    return {"width_ms": ends - begins, "expected": expected, **about}


def _grown(
    panes: Panes,
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
    question: Question,
    measure: Measure,
) -> Columns:
    numbers = (panes[name] for name in ("min", "max", "first", "last"))
    found = growth(panes["start_ms"], PANE_MS, panes["count"], *numbers)
    on_page = panes["start_ms"] >= question.page.from_ms
    begins, ends = begins[on_page], ends[on_page]
    begin = first_of_each(begins) if len(begins) else begins
    increase, elapsed_ms = (_sums(column[on_page], begin) for column in found[:2])
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        rate = np.where(elapsed_ms > 0, increase / elapsed_ms * 1000, np.nan)
    grown = {"increase": increase} if question.downsample == "increase" else {"rate": rate}
    counts = _sums(panes["count"][on_page], begin)
    return {
        "time_ms": begins[begin],
        "count": counts,
        **grown,
        "estimated": _sums((~found.is_sure[on_page]).astype(np.int64), begin) > 0,
        "overflow": ~np.isfinite(increase),
    } | _about(begins[begin], ends[begin], question, measure)


def _sums(column: NDArray[Any], begin: NDArray[np.int64]) -> NDArray[Any]:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.add.reduceat(column, begin) if len(begin) else column


def _picked(panes: Panes, question: Question) -> Columns:
    most = max(LEAST_POINTS, -(-question.page.width_ms // question.step_ms))
    rises = panes["last"] >= panes["first"]
    kept = minmax_lttb(panes["start_ms"], panes["min"], panes["max"], rises, most)
    return {"time_ms": kept.times_ms, "value": kept.values}


def series_columns(found: "Gathered", measure: Measure) -> dict[str, dict[str, Columns]]:
    """Return the points of each device and metric; one that is asked for or known may have none."""
    return {
        name: _of_device(found, name, measure._replace(interval_ms=found.terms[name].interval_ms))
        for name in found.question.devices
    }


def _of_device(found: "Gathered", device_id: str, measure: Measure) -> dict[str, Columns]:
    question = found.question
    if found.rows is not None:
        has, none = _raw_columns(found, device_id, measure.now_ms), _NO_VALUES
    else:
        own = {metric: panes for (name, metric), panes in found.panes.items() if name == device_id}
        opens = {metric: found.open_from_ms.get((device_id, metric)) for metric in own}
        has = {
            metric: columns_of(panes, question, measure._replace(open_from_ms=opens[metric]))
            for metric, panes in own.items()
        }
        none = columns_of(np.empty(0, PANE), question, measure)
    known = found.states[device_id].latest if device_id in found.states else {}
    names = found.metrics[device_id] or sorted(has.keys() | known.keys())
    return {metric: has.get(metric, none) for metric in dict.fromkeys(names)}


_NO_VALUES: Columns = {
    "time_ms": np.empty(0, np.int64),
    "value": np.empty(0),
    "late": np.empty(0, bool),
    "open": np.empty(0, bool),
}


def _raw_columns(found: "Gathered", device_id: str, now_ms: int) -> dict[str, Columns]:
    import pyarrow.compute as pc

    from catalog.raw_history import values_by_metric

    assert found.rows is not None
    rows = found.rows.filter(pc.equal(found.rows["device_id"], device_id))
    times_ms, late = rows["time_ms"].to_numpy(), rows["late"].to_numpy()
    columns = {
        metric: {
            "time_ms": times_ms[values.row],
            "value": values.value,
            "late": late[values.row],
            "open": np.zeros(len(values.row), bool),
        }
        for metric, values in values_by_metric(rows, None).items()
    }
    return columns | dict(_newest_values(found, device_id, columns, now_ms))


def _newest_values(
    found: "Gathered", device_id: str, columns: dict[str, Columns], now_ms: int
) -> Iterator[tuple[str, Columns]]:
    """Yield the columns of metrics whose newest reading the lake does not have yet, with it."""
    question = found.question
    if question.as_of is not None or found.gone_on is not None or device_id not in found.states:
        return
    for metric, newest in found.states[device_id].latest.items():
        own = columns.get(metric, _NO_VALUES)
        is_stored = len(own["time_ms"]) and newest.time_ms <= int(own["time_ms"][-1])
        is_asked = not found.metrics[device_id] or metric in found.metrics[device_id]
        if (
            is_asked
            and not is_stored
            and newest.time_ms <= now_ms
            and question.page.from_ms <= newest.time_ms < question.page.to_ms
        ):
            added = {"time_ms": newest.time_ms, "value": newest.value, "late": False, "open": True}
            yield metric, {name: np.append(own[name], added[name]).astype(own[name].dtype) for name in own}


def points(columns: Columns, clock: LocalClock = UTC) -> list[msgspec.Struct]:
    """Turn columns into points of the answer, their time in both forms; marks only where they hold.

    What is no number is null: a sum that is too large for a float, or what is not known.
    """
    named = {"time": time_texts(columns["time_ms"], clock), **columns}
    marks = {name: named.pop(name) for name in MARKS if name in named}
    shown = named | {name: mark for name, mark in marks.items() if mark.any()}
    return list(map(_form(tuple(shown)), *(column.tolist() for column in shown.values())))


def time_texts(times_ms: NDArray[np.int64], clock: LocalClock) -> NDArray[np.str_]:
    """Return times in RFC 3339 with the offset in force, Z in UTC."""
    if clock is UTC:
        return np.datetime_as_string(times_ms.astype("datetime64[ms]"), timezone="UTC")
    offsets_ms = clock.offset_at(times_ms)
    local = np.datetime_as_string((times_ms + offsets_ms).astype("datetime64[ms]"))
    known, places = np.unique(offsets_ms, return_inverse=True)
    names = np.array([_offset_text(offset) for offset in known.tolist()] or [""])
    return np.char.add(local, names[places])


def _offset_text(offset_ms: int) -> str:
    minutes = abs(offset_ms) // 60_000
    return f"{'-' if offset_ms < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"


@cache
def _form(names: tuple[str, ...]) -> type[msgspec.Struct]:
    """Return a plain form of points: made and written more than twice as fast as a dict."""
    fields = [(name, bool, False) if name in MARKS else name for name in names]
    return msgspec.defstruct("Point", fields, gc=False, omit_defaults=True)
