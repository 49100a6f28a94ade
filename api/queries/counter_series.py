"""Counters of `/data`: which metrics they are, and panes from which differences can be told."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from api.problems import ProblemError, WrongParameterError
from api.queries.lake_tier import LakeTier
from api.queries.panes import Panes, join, panes_of
from api.queries.series_question import Question
from api.queries.tiers import DAY_MS, Series, Sought
from api.queries.timerange import Span
from catalog.device_terms import DeviceTerms
from udfs.counters import is_doubtful
from udfs.hot_series import HOUR_MS, PANE_MS

if TYPE_CHECKING:
    import pyarrow as pa

# Readings are read for so many hours of doubtful panes at most, the newest first.
_MOST_HOURS: Final = 24 * 31
_MINUTE_MS: Final = 60_000


def counters_only(question: Question, terms: Mapping[str, DeviceTerms]) -> dict[str, tuple[str, ...]]:
    """Return the counters that are asked for of each device; WrongParameterError for what is none."""
    for metric in question.metrics:
        for name in question.devices:
            if metric not in terms[name].counters:
                raise WrongParameterError(
                    "downsample",
                    f"{metric!r} of device {name!r} is no counter",
                    accepted=f"{question.downsample} of a metric whose profile says `kind: counter`",
                )
    found = {name: question.metrics or tuple(sorted(terms[name].counters)) for name in question.devices}
    without = [name for name, metrics in found.items() if not metrics]
    if without:
        raise WrongParameterError(
            "downsample",
            f"device {without[0]!r} has no counter",
            accepted=f"{question.downsample} of devices whose profile says `kind: counter` of a metric",
        )
    return found


def look_back(question: Question) -> Span:
    """Return the page with what comes before it: the first difference is to a reading there."""
    back_ms = min(max(HOUR_MS, question.step_ms), DAY_MS)
    return Span(max(0, question.page.from_ms - back_ms), question.page.to_ms)


async def refine(lake: LakeTier, sought: Sought, panes: dict[Series, Panes]) -> dict[Series, Panes]:
    """Put readings where a pane may hold a reset that its aggregates cannot tell, if the lake has all."""
    doubtful = {series: own[_doubtful(own)] for series, own in panes.items()}
    spans = _spans(doubtful)
    if not spans:
        return panes
    rows: list[pa.Table] = []
    for span in spans:
        try:
            found, _ = await lake.readings(sought, span)
        except ProblemError:
            # What aggregates tell is still worth an answer; it is marked as estimated.
            return panes
        rows.append(found)
    return {series: _refined(own, series, rows) for series, own in panes.items()}


def _doubtful(panes: Panes) -> NDArray[np.bool_]:
    return is_doubtful(panes["count"], *(panes[name] for name in ("min", "max", "first", "last")))


def _spans(doubtful: Mapping[Series, Panes]) -> list[Span]:
    starts = [panes["start_ms"] // HOUR_MS for panes in doubtful.values()]
    hours = np.unique(np.concatenate(starts))[-_MOST_HOURS:] if starts else np.empty(0, np.int64)
    if not len(hours):
        return []
    breaks = np.flatnonzero(np.diff(hours) > 1) + 1
    return [
        Span(int(run[0]) * HOUR_MS, (int(run[-1]) + 1) * HOUR_MS)
        for run in np.split(hours, breaks)
        if len(run)
    ]


def _refined(panes: Panes, series: Series, rows: "list[pa.Table]") -> Panes:
    single = _single(series, rows)
    doubtful = np.flatnonzero(_doubtful(panes))
    if not len(doubtful) or not len(single):
        return panes
    begins = panes["start_ms"][doubtful]
    # Of the hot tier 10 s, of the lake a minute: the width follows from where the same readings are counted.
    for width_ms in (PANE_MS, _MINUTE_MS):
        first, last = (np.searchsorted(single["start_ms"], begins + ms) for ms in (0, width_ms))
        whole = last - first == panes["count"][doubtful]
        pieces = [single[begin:end] for begin, end in zip(first[whole], last[whole], strict=True)]
        panes = join([np.delete(panes, doubtful[whole]), *pieces])
        panes = panes[np.argsort(panes["start_ms"], kind="stable")]
        doubtful = np.flatnonzero(_doubtful(panes))
        begins = panes["start_ms"][doubtful]
    return panes


def _single(series: Series, rows: "list[pa.Table]") -> Panes:
    import pyarrow.compute as pc

    from catalog.raw_history import values_by_metric

    device_id, metric = series
    pieces: list[Panes] = []
    for table in rows:
        own = table.filter(pc.equal(table["device_id"], device_id))
        values = values_by_metric(own, frozenset({metric})).get(metric)
        if values is not None:
            pieces.append(panes_of(own["time_ms"].to_numpy()[values.row], values.value))
    return join(pieces) if pieces else np.empty(0, dtype=panes_of(np.empty(0, np.int64), np.empty(0)).dtype)
