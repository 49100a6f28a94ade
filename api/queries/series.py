"""`/data`: metrics of devices over a range, from every tier that holds a part of it."""

import asyncio
from asyncio import to_thread
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from api.problems import ProblemError
from api.queries.counter_series import counters_only, look_back, refine
from api.queries.device_terms import KnownTerms
from api.queries.devices import DeviceState, parse_state
from api.queries.hot_store import HotStore
from api.queries.known_devices import find_unseen
from api.queries.lake_tier import LakeTier
from api.queries.panes import Panes, join
from api.queries.series_question import RAW_MS, RAW_PAGE, Question
from api.queries.tiers import Found, HotTier, Series, SeriesTier, Sought, Stretch
from api.queries.timerange import Span
from catalog.device_terms import DeviceTerms
from millrace.settings import Settings
from udfs.hot_series import HOUR_MS

if TYPE_CHECKING:
    import pyarrow as pa

# 32 MB of hour strings: a day of 80 metrics. What is more is read from the lake.
_MOST_METRIC_HOURS = 2_000
# What the lake may not have yet.
_LEAST_HOT_HOURS = 3


class Reach(NamedTuple):
    """What an answer is read from."""

    store: HotStore
    terms: KnownTerms
    config: Settings


class Plan(NamedTuple):
    """Which tier reads which part of a range, in time order, and the parts nobody holds."""

    parts: list[tuple[SeriesTier, Span]]
    missing: list[Span]


class Gathered(NamedTuple):
    """What was found of a question: `rows` are readings (`raw`), else `panes`; `gone_on` is the next page.

    `states` has only devices that Redis knows; `unread` are parts that a tier could not answer now.
    `metrics` by device are those asked for, none = all. `open_from_ms`: from there on only the newest value
    of a series is known, since its pane has not closed.
    """

    question: Question
    states: dict[str, DeviceState]
    terms: dict[str, DeviceTerms]
    metrics: dict[str, tuple[str, ...]]
    stretches: list[Stretch]
    missing: list[Span]
    unread: list[Span]
    panes: dict[Series, Panes]
    rows: "pa.Table | None"
    gone_on: str | None
    open_from_ms: dict[Series, int]


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


async def load_states(store: HotStore, tenant: str, devices: Sequence[str]) -> dict[str, DeviceState]:
    """Return the newest state of the devices that Redis knows."""
    if len(devices) == 1:
        found = [parse_state(*await store.device(tenant, devices[0]))]
    else:
        found = [parse_state(None, stored) for stored in await store.device_states(tenant, devices)]
    return {name: state for name, state in zip(devices, found, strict=True) if state is not None}


async def gather(
    reach: Reach,
    question: Question,
    states: dict[str, DeviceState],
    terms: dict[str, DeviceTerms],
    now_ms: int,
) -> Gathered:
    """Read what is asked; ProblemError when a device or metric is unknown, or only the lake could say."""
    metrics = counters_only(question, terms) if question.is_counted else None
    lake = LakeTier(reach.config, question.as_of, question.pins)
    at_ms = now_ms if question.as_of is None else await to_thread(lake.taken_ms, question.as_of)
    named = metrics or dict.fromkeys(question.devices, question.metrics)
    bare = Gathered(question, states, terms, named, [], [], [], {}, None, None, {})
    if question.step_ms == RAW_MS:
        found = await _raw(lake, bare, at_ms)
    else:
        found = await _panes(reach, lake, bare, at_ms)
    await _must_be_known(reach, found)
    return found


async def _panes(reach: Reach, lake: LakeTier, bare: Gathered, now_ms: int) -> Gathered:
    question, sought = bare.question, _sought(bare, now_ms)
    span = look_back(question) if question.is_counted else question.page
    chosen = plan(_tiers(reach.store, lake, question, sought), span, now_ms)
    reads = (_read(tier, sought, span, question) for tier, span in chosen.parts)
    found = await asyncio.gather(*reads)
    parts = [part for part in found if part is not None]
    unread = [span for (_, span), part in zip(chosen.parts, found, strict=True) if part is None]
    ends = question.page.to_ms >= question.span.to_ms
    panes = _joined(parts)
    if question.is_counted:
        panes = await refine(lake, sought, panes)
    return bare._replace(
        stretches=_on_page((stretch for part in parts for stretch in part.stretches), question.page),
        missing=chosen.missing,
        unread=unread,
        panes=panes,
        open_from_ms={series: at_ms for part in parts for series, at_ms in part.open_from_ms.items()},
        gone_on=None if ends else question.next_page(question.page.to_ms, 0, lake.used),
    )


def _on_page(stretches: Iterable[Stretch], page: Span) -> list[Stretch]:
    cut = (one._replace(span=one.span.cut(page)) for one in stretches)
    return [one for one in cut if one.span.width_ms]


async def _read(tier: SeriesTier, sought: Sought, span: Span, question: Question) -> Found | None:
    """Return what a tier holds; None when the lake cannot answer now and the rest is worth an answer."""
    try:
        return await tier.read(sought, span)
    except ProblemError as error:
        # What Redis holds is still worth an answer; another time or page is none without the lake.
        if error.status != HTTPStatus.SERVICE_UNAVAILABLE or question.as_of or not question.is_first_page:
            raise
        return None


def _joined(parts: Sequence[Found]) -> dict[Series, Panes]:
    names = dict.fromkeys(series for part in parts for series in part.panes)
    return {name: join([part.panes[name] for part in parts if name in part.panes]) for name in names}


def _sought(bare: Gathered, now_ms: int) -> Sought:
    question = bare.question
    metrics = {
        name: bare.metrics[name] or (tuple(sorted(bare.states[name].latest)) if name in bare.states else ())
        for name in question.devices
    }
    any_metric = not all(bare.metrics.values())
    newest = {
        (name, metric): (state.latest[metric].time_ms, state.latest[metric].value)
        for name, state in bare.states.items()
        for metric in metrics[name]
        if metric in state.latest and state.latest[metric].time_ms <= now_ms
    }
    return Sought(question.tenant, metrics, any_metric, question.base_ms, question.is_counted, newest)


def _tiers(store: HotStore, lake: LakeTier, question: Question, sought: Sought) -> list[SeriesTier]:
    if question.as_of:
        return [lake]
    series = max(1, sum(map(len, sought.metrics.values())))
    hours = max(_LEAST_HOT_HOURS, _MOST_METRIC_HOURS // series)
    fits = question.page.width_ms <= (hours - 1) * HOUR_MS
    return [HotTier(store) if fits else HotTier(store, hours), lake]


async def _raw(lake: LakeTier, bare: Gathered, now_ms: int) -> Gathered:
    question = bare.question
    chosen = plan([lake], question.page, now_ms)
    if not chosen.parts:
        return bare._replace(missing=chosen.missing)
    limit = question.limit or RAW_PAGE
    rows, stretches = await _at_least(
        lake, _sought(bare, now_ms), chosen.parts[0][1], question.skip + limit + 1
    )
    page = rows.slice(question.skip, limit)
    if len(rows) <= question.skip + limit:
        return bare._replace(stretches=stretches, missing=chosen.missing, rows=page)
    times_ms = rows["time_ms"].to_numpy()
    behind = question.skip + limit
    at_ms = int(times_ms[behind])
    skip = behind - int(np.searchsorted(times_ms, at_ms))
    seen = Span(question.page.from_ms, int(times_ms[behind - 1]) + 1)
    return bare._replace(
        stretches=_on_page(stretches, seen),
        rows=page,
        gone_on=question.next_page(at_ms, skip, lake.used),
    )


async def _at_least(
    lake: LakeTier, sought: Sought, span: Span, most_rows: int
) -> "tuple[pa.Table, list[Stretch]]":
    """Read ever wider parts of the span until there are so many rows, or it ends."""
    rows: list[pa.Table] = []
    stretches: list[Stretch] = []
    at_ms, width_ms = span.from_ms, HOUR_MS
    while at_ms < span.to_ms and sum(map(len, rows)) < most_rows:
        part = Span(at_ms, min(at_ms + width_ms, span.to_ms))
        found, covered = await lake.readings(sought, part)
        rows.append(found)
        stretches = _merged([*stretches, *covered])
        at_ms, width_ms = part.to_ms, width_ms * 4
    from catalog.raw_history import RAW_SCHEMA
    from catalog.table_types import concat_rows

    return concat_rows(rows, RAW_SCHEMA), stretches


def _merged(stretches: Iterable[Stretch]) -> list[Stretch]:
    merged: list[Stretch] = []
    for one in stretches:
        if merged and merged[-1].tier == one.tier:
            merged[-1] = one._replace(span=Span(merged[-1].span.from_ms, one.span.to_ms))
        else:
            merged.append(one)
    return merged


async def _must_be_known(reach: Reach, found: Gathered) -> None:
    """Refuse what nobody knows: not Redis, and not the lake in this range."""
    question = found.question
    if not question.is_first_page:
        return
    names = _found_names(found)
    if await _are_without_values(reach, found, {device_id for device_id, _ in names}):
        return
    known = {metric for _, metric in names} | {m for state in found.states.values() for m in state.latest}
    unknown = [metric for metric in question.metrics if metric not in known]
    if unknown and not found.unread:
        who = f"Device {question.devices[0]!r} has" if len(question.devices) == 1 else "The devices have"
        raise ProblemError(
            404,
            "unknown-metric",
            f"{who} no metric {', '.join(map(repr, unknown))}.",
            where="metric",
            mend=f"There are: {', '.join(sorted(known)) or 'none'}.",
        )


def _found_names(found: Gathered) -> set[Series]:
    if found.rows is None:
        return {series for series, panes in found.panes.items() if len(panes)}
    from catalog.raw_history import values_by_metric

    devices = set(found.rows["device_id"].unique().to_pylist())
    return {(name, metric) for name in devices for metric in values_by_metric(found.rows, None)}


async def _are_without_values(reach: Reach, found: Gathered, in_lake: set[str]) -> bool:
    """Tell whether known devices have nothing here: then nobody can say which metrics they have.

    ProblemError when one is not known at all: not by Redis, the lake or the registry.
    """
    question = found.question
    absent = [name for name in question.devices if name not in found.states and name not in in_lake]
    if absent and found.unread:
        raise ProblemError(
            503,
            "store-unavailable",
            f"Redis does not know {', '.join(map(repr, absent))}, and the lake cannot answer now.",
            where="lake",
            mend="Try again in a moment; `millrace status` and GET /health show what is down.",
        )
    unknown = [name for name in absent if await find_unseen(reach.config, question.tenant, name) is None]
    if unknown:
        raise ProblemError(
            404,
            "unknown-device",
            f"Tenant {question.tenant!r} has no device {', '.join(map(repr, unknown))}.",
            where="device_id",
            mend=f"GET /devices?tenant={question.tenant} lists devices.",
        )
    return bool(absent)
