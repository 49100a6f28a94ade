"""Shapes what was found into the answers: points, and for each stretch how final and how complete it is."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from api import series_answers as answers
from api.queries.devices import known_ms
from api.queries.series import Gathered
from api.queries.series_points import Columns, Measure, time_texts
from api.queries.series_question import RAW_MS
from api.queries.tiers import Source, Stretch
from api.queries.timerange import Span
from millrace.clock import age_ms, to_iso
from udfs.local_buckets import LocalClock

_NOTICES = {
    "lake-unavailable": "The lake, which holds this part, cannot answer now: no points here does not mean no "
    "readings.",
    "future": "This part of the range has not happened yet.",
}
Shown = dict[str, dict[str, Columns]]


def common_fields(found: Gathered, shown: Shown, as_of: str | None, measure: Measure) -> dict[str, Any]:
    """Return what the answers have in common; none comes from outside, so nothing is checked again."""
    question = found.question
    page = _seen(found)
    now_ms, settles_ms = measure.now_ms, measure.settles_ms
    stretches = [_stretch(found, shown, one, now_ms, settles_ms) for one in found.stretches]
    is_open = page.to_ms + settles_ms > now_ms or any(
        one.tier != "hot" and one.final_until_ms < one.to_ms for one in stretches
    )
    held = not found.missing and not found.unread
    return {
        "tenant": question.tenant,
        **range_fields(page, question.clock),
        "timezone": question.clock.name,
        "resolution": question.resolution,
        "resolution_ms": None if question.resolution == "1mo" else question.step_ms,
        "downsample": question.downsample,
        "sampled_from_ms": question.base_ms if question.downsample == "lttb" or question.is_counted else None,
        "overflows": _overflows(shown),
        "as_of": as_of,
        "tiers": list(dict.fromkeys(one.tier for one in stretches)),
        "stretches": stretches,
        "complete": held and not is_open,
        "range_held": held,
        "last_point_open": is_open,
        "gaps": [
            *_gaps(found.unread, "lake-unavailable", question.clock),
            *_gaps(found.missing, "future", question.clock),
        ],
        "next_cursor": found.gone_on,
    }


def range_fields(span: Span, clock: LocalClock) -> dict[str, Any]:
    """Return a range as answers have it, by the clock."""
    from_text, to_text = time_texts(np.array(span), clock).tolist()
    return {"from_": from_text, "from_ms": span.from_ms, "to": to_text, "to_ms": span.to_ms}


def _overflows(shown: Shown) -> int:
    columns = (one for metrics in shown.values() for one in metrics.values())
    return sum(int(one["overflow"].sum()) for one in columns if "overflow" in one)


def _seen(found: Gathered) -> Span:
    """Return the page; one of readings ends behind the last of them."""
    page = found.question.page
    if found.question.step_ms == RAW_MS and found.gone_on and found.stretches:
        return Span(page.from_ms, found.stretches[-1].span.to_ms)
    return page


def _gaps(spans: Iterable[Span], reason: Any, clock: LocalClock) -> list[answers.Gap]:
    return [
        answers.Gap(**range_fields(span, clock), reason=reason, notice=_NOTICES[reason])
        for span in sorted(spans)
    ]


def _stretch(
    found: Gathered, shown: Shown, one: Stretch, now_ms: int, settles_ms: int
) -> answers.TierStretch:
    newest_ms = _newest_ms(shown, one.span)
    final_ms = _final_until_ms(found, one, now_ms, settles_ms)
    readings, expected = _readings(found, one.span), _expected(found, one.span, now_ms)
    return answers.TierStretch.model_construct(
        **range_fields(one.span, found.question.clock),
        tier=one.tier,
        snapshot_id=str(one.sources[0].snapshot_id) if one.sources else None,
        sources=[_source(source) for source in one.sources],
        newest=None if newest_ms is None else to_iso(newest_ms),
        newest_ms=newest_ms,
        final_until=to_iso(final_ms),
        final_until_ms=final_ms,
        found=readings,
        expected=expected,
        completeness=min(1.0, round(readings / expected, 4)) if expected else None,
    )


def _source(source: Source) -> answers.StretchSource:
    return answers.StretchSource(
        table=source.table,
        snapshot_id=str(source.snapshot_id),
        committed=to_iso(source.committed_ms),
        committed_ms=source.committed_ms,
    )


def _newest_ms(shown: Shown, span: Span) -> int | None:
    newest = None
    for columns in (one for metrics in shown.values() for one in metrics.values()):
        times_ms = columns["time_ms"]
        place = int(np.searchsorted(times_ms, span.to_ms)) - 1
        if place >= 0 and times_ms[place] >= span.from_ms:
            newest = max(newest or 0, int(times_ms[place]))
    return newest


def _final_until_ms(found: Gathered, one: Stretch, now_ms: int, settles_ms: int) -> int:
    """Return up to when nothing on time is missing: a minute is stored once the watermark passed its end."""
    known_ms = now_ms if one.tier == "hot" else min((s.committed_ms for s in one.sources[:1]), default=0)
    if one.tier == "hot" or found.rows is not None:
        final_ms = known_ms - settles_ms
    else:
        final_ms = known_ms - settles_ms - found.question.base_ms
    return max(one.span.from_ms, min(final_ms, one.span.to_ms))


def _readings(found: Gathered, span: Span) -> int:
    """Count readings: of each device as many as its most frequent metric has."""
    if found.rows is not None:
        times_ms = found.rows["time_ms"].to_numpy()
        return int(np.searchsorted(times_ms, span.to_ms) - np.searchsorted(times_ms, span.from_ms))
    counts: dict[str, int] = {}
    for (device_id, _), panes in found.panes.items():
        inside = slice(*np.searchsorted(panes["start_ms"], span))
        counts[device_id] = max(counts.get(device_id, 0), int(panes["count"][inside].sum()))
    return sum(counts.values())


def _expected(found: Gathered, span: Span, now_ms: int) -> int | None:
    width_ms = min(span.to_ms, now_ms) - span.from_ms
    intervals_ms = [found.terms[name].interval_ms for name in found.question.devices]
    if width_ms <= 0 or None in intervals_ms:
        return None
    return sum(width_ms // each for each in intervals_ms if each)


def freshness(found: Gathered, shown: Shown, device_id: str, now_ms: int) -> answers.Freshness:
    """Return how new what is known of a device is."""
    times = [columns["time_ms"] for columns in shown[device_id].values()]
    newest_ms = max((int(each[-1]) for each in times if len(each)), default=None)
    state = found.states.get(device_id)
    seen_ms = known_ms(state.last_seen_ms, state.received_at_ms, now_ms) if state else None
    return answers.Freshness(
        newest_event_time=None if seen_ms is None else to_iso(seen_ms),
        newest_event_time_ms=seen_ms,
        age_ms=None if seen_ms is None else age_ms(seen_ms, now_ms),
        newest_pane=None if newest_ms is None else to_iso(newest_ms),
        newest_pane_ms=newest_ms,
    )
