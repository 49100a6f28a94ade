"""`GET /data/{device_id}`: a device's metrics over a range, from every tier that holds a part of it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import numpy as np

from api.answers import Freshness, Gap, Point, SeriesAnswer
from api.problems import ProblemError, WrongParameterError
from api.queries.devices import DeviceState, load_state
from api.queries.hot_store import HotStore
from api.queries.panes import Panes, combine, join
from api.queries.tiers import SeriesTier, TierName
from api.queries.timerange import STEP_MS, Resolution, Span
from millrace.clock import to_iso
from udfs.hot_series import HOUR_MS

# 32 MB of hour strings: a day of 80 metrics.
_MOST_METRIC_HOURS = 2_000
_NOTICES = {
    "history-not-served": "Older than the hot tier (24 h). The history is stored, but this endpoint does "
    "not serve it yet: no points here does not mean no readings.",
    "future": "This part of the range has not happened yet.",
}


class SeriesRequest(NamedTuple):
    """What is asked, already parsed; the span is aligned to the resolution."""

    tenant: str
    device_id: str
    metrics: Sequence[str]
    span: Span
    resolution: Resolution


class Plan(NamedTuple):
    """Which tier reads which part of a range, in time order, and the parts nobody holds."""

    parts: list[tuple[SeriesTier, Span]]
    missing: list[Span]


def plan(tiers: Iterable[SeriesTier], span: Span, now_ms: int) -> Plan:
    """Give each part of the span to the first tier that holds it."""
    parts: list[tuple[SeriesTier, Span]] = []
    missing = [span]
    for tier in tiers:
        held = tier.holds(now_ms)
        parts += [(tier, part.cut(held)) for part in missing if part.cut(held).width_ms]
        missing = [rest for part in missing for rest in _without(part, part.cut(held))]
    return Plan(sorted(parts, key=lambda part: part[1]), missing)


def _without(span: Span, taken: Span) -> list[Span]:
    if not taken.width_ms:
        return [span]
    rests = (Span(span.from_ms, taken.from_ms), Span(taken.to_ms, span.to_ms))
    return [rest for rest in rests if rest.width_ms]


async def read_series(
    store: HotStore, tiers: Iterable[SeriesTier], request: SeriesRequest, now_ms: int, settles_ms: int
) -> SeriesAnswer:
    """Answer a request; raise ProblemError when the device or a metric is unknown or too much is asked.

    `settles_ms` is how long after its end a pane may still change through readings on time.
    """
    state = await load_state(store, request.tenant, request.device_id)
    metrics = _known_metrics(state, request)
    chosen = plan(tiers, request.span, now_ms)
    _refuse_too_much(len(metrics), [span for _, span in chosen.parts])
    panes = {metric: await _read(chosen, request, metric) for metric in metrics}
    return _answer(request, state, chosen, panes, now_ms, settles_ms)


def _known_metrics(state: DeviceState, request: SeriesRequest) -> list[str]:
    unknown = [metric for metric in request.metrics if metric not in state.latest]
    if unknown:
        raise ProblemError(
            404,
            "unknown-metric",
            f"Device {request.device_id!r} has no metric {', '.join(map(repr, unknown))}.",
            where="metric",
            mend=f"It has: {', '.join(sorted(state.latest)) or 'none'}.",
        )
    return list(dict.fromkeys(request.metrics)) or sorted(state.latest)


def _refuse_too_much(metrics: int, spans: list[Span]) -> None:
    hours = sum(-(-span.width_ms // HOUR_MS) for span in spans)
    if metrics * hours > _MOST_METRIC_HOURS:
        raise WrongParameterError(
            "metric",
            f"{metrics} metrics over {hours} hours are too much for one answer",
            accepted=f"fewer metrics or a shorter range (metrics x hours up to {_MOST_METRIC_HOURS})",
        )


async def _read(chosen: Plan, request: SeriesRequest, metric: str) -> Panes:
    parts = [await tier.panes(request.tenant, request.device_id, metric, span) for tier, span in chosen.parts]
    return join(parts, request.span)


def _answer(
    request: SeriesRequest,
    state: DeviceState,
    chosen: Plan,
    panes: dict[str, Panes],
    now_ms: int,
    settles_ms: int,
) -> SeriesAnswer:
    step_ms = STEP_MS[request.resolution]
    last_point_open = request.span.to_ms + settles_ms > now_ms
    tiers: list[TierName] = [tier.name for tier, _ in chosen.parts]
    # Nothing here comes from outside: checking thousands of points again would cost more than reading them.
    return SeriesAnswer.model_construct(
        tenant=request.tenant,
        device_id=request.device_id,
        from_=to_iso(request.span.from_ms),
        from_ms=request.span.from_ms,
        to=to_iso(request.span.to_ms),
        to_ms=request.span.to_ms,
        resolution=request.resolution,
        resolution_ms=step_ms,
        tiers=list(dict.fromkeys(tiers)),
        freshness=_freshness(state, list(panes.values()), now_ms),
        complete=not chosen.missing and not last_point_open,
        range_held=not chosen.missing,
        last_point_open=last_point_open,
        gaps=[_gap(span, now_ms) for span in chosen.missing],
        latest={metric: state.latest[metric] for metric in panes},
        series={metric: points(combine(found, step_ms)) for metric, found in panes.items()},
    )


def _freshness(state: DeviceState, found: list[Panes], now_ms: int) -> Freshness:
    newest_pane_ms = max((int(panes["start_ms"][-1]) for panes in found if len(panes)), default=None)
    seen_ms = state.last_seen_ms
    return Freshness(
        newest_event_time=to_iso(seen_ms),
        newest_event_time_ms=seen_ms,
        age_ms=now_ms - seen_ms,
        newest_pane=None if newest_pane_ms is None else to_iso(newest_pane_ms),
        newest_pane_ms=newest_pane_ms,
    )


def _gap(span: Span, now_ms: int) -> Gap:
    reason = "future" if span.from_ms > now_ms else "history-not-served"
    return Gap.model_validate(
        {
            "from": to_iso(span.from_ms),
            "from_ms": span.from_ms,
            "to": to_iso(span.to_ms),
            "to_ms": span.to_ms,
            "reason": reason,
            "notice": _NOTICES[reason],
        }
    )


def points(panes: Panes) -> list[Point]:
    """Turn panes into points of the answer."""
    start_ms = panes["start_ms"]
    columns = {
        "time": np.datetime_as_string(start_ms.astype("datetime64[ms]"), timezone="UTC"),
        "time_ms": start_ms,
        "count": panes["count"],
        "min": panes["min"],
        "max": panes["max"],
        "avg": panes["sum"] / np.maximum(panes["count"], 1),
        "sum": panes["sum"],
        "first": panes["first"],
        "last": panes["last"],
    }
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return cast(list[Point], [dict(zip(columns, row, strict=True)) for row in rows])
