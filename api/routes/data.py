"""`/data`: the series of metrics, of one device or of several, over any range."""

from asyncio import to_thread
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from api.dependencies import Config, DeviceId, NowMs, Store, Tenant, Terms
from api.problems import WrongParameterError
from api.queries.device_terms import shared_zone
from api.queries.devices import DeviceState
from api.queries.series import Gathered, Reach, gather, load_states
from api.queries.series_points import Measure, series_columns
from api.queries.series_question import AS_OF_FORMS, MOST_DEVICES, MOST_POINTS, Downsample, Wanted, settle
from api.queries.series_shape import common_fields, freshness
from api.queries.timerange import LOCAL_FORMS, ZONE_FORMS, Asked
from api.series_answers import ManySeriesAnswer, SeriesAnswer
from api.series_formats import MEDIA_TYPES, Format, Written, chosen_format, write

_TABLES: dict[str, Any] = {name: {} for form, name in MEDIA_TYPES.items() if form != "json"}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": _TABLES, "description": "The series; as a table, one row per point."},
    404: {"description": "Unknown device, metric or snapshot."},
    410: {"description": "The snapshot is kept no longer."},
    503: {"description": "Redis or the lake does not answer."},
}
router = APIRouter(tags=["data"], responses=_RESPONSES)


class Asking:
    """What both questions have in common, as parameters."""

    def __init__(
        self,
        tenant: Tenant,
        from_: Annotated[str, Query(alias="from", max_length=64, description=LOCAL_FORMS)] = "-1h",
        to: Annotated[str, Query(max_length=64, description=LOCAL_FORMS)] = "now",
        resolution: Annotated[
            Asked, Query(description="Width of a point; auto: about 1,000 points; raw: single readings.")
        ] = "auto",
        downsample: Annotated[
            Downsample,
            Query(
                description="minmax: all aggregates; avg: means; lttb: the points that show it, extremes; "
                "increase, rate (per second): of metrics whose profile says `kind: counter`."
            ),
        ] = "minmax",
        limit: Annotated[
            int | None,
            Query(ge=1, le=MOST_POINTS, description="Points of a series on a page; raw: readings (1,000)."),
        ] = None,
        metrics: Annotated[
            list[str] | None, Query(description="By commas or repeated; default: all metrics.")
        ] = None,
        metric: Annotated[
            list[str] | None, Query(description="Repeatable; as `metrics`, for names with commas.")
        ] = None,
        cursor: Annotated[
            str | None, Query(max_length=2048, description="`next_cursor` of the same question.")
        ] = None,
        as_of: Annotated[
            str | None, Query(max_length=64, description=f"The lake as it was: {AS_OF_FORMS}.")
        ] = None,
        format_: Annotated[
            Format | None, Query(alias="format", description="Default: what the Accept header names.")
        ] = None,
        timezone: Annotated[
            str | None,
            Query(
                max_length=64,
                description=f"By whose calendar points begin: {ZONE_FORMS}. Default: the zone of "
                "the devices' site, if they share one; else UTC.",
            ),
        ] = None,
        accept: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> None:
        self.form = chosen_format(format_, accept)
        self.as_of = as_of
        chosen = [*(name for part in metrics or () for name in part.split(",") if name), *(metric or ())]
        named = tuple(dict.fromkeys(chosen))
        self.wanted = Wanted(
            tenant, (), named, from_, to, resolution, downsample, limit, cursor, as_of, timezone
        )


AskedTerms = Annotated[Asking, Depends(Asking)]


async def _reach(config: Config, store: Store, terms: Terms) -> Reach:
    return Reach(store, terms, config)


Stores = Annotated[Reach, Depends(_reach)]


@router.get("/data", operation_id="getManySeries", response_model=ManySeriesAnswer)
async def get_many(
    request: Request,
    asking: AskedTerms,
    reach: Stores,
    now_ms: NowMs,
    devices: Annotated[
        list[str], Query(min_length=1, description="Device ids, by commas; or repeated, for ids with commas.")
    ],
) -> Response:
    """Return the series of several devices, as `/data/{device_id}` does of one."""
    named = tuple(dict.fromkeys(name for part in devices for name in part.split(",") if name))
    if not 1 <= len(named) <= MOST_DEVICES:
        raise WrongParameterError(
            "devices", f"{len(named)} devices are named", accepted=f"1 to {MOST_DEVICES} device ids"
        )
    return await _answer(request, asking, reach, asking.wanted._replace(devices=named), now_ms)


@router.get("/data/{device_id}", operation_id="getSeries", response_model=SeriesAnswer)
async def get_data(
    request: Request,
    device_id: DeviceId,
    asking: AskedTerms,
    reach: Stores,
    now_ms: NowMs,
) -> Response:
    """Return min, max, avg, sum, count, first and last of each metric over time; or what is asked instead."""
    wanted = asking.wanted._replace(devices=(device_id,))
    return await _answer(request, asking, reach, wanted, now_ms, device_id)


async def _answer(
    request: Request, asking: Asking, reach: Reach, wanted: Wanted, now_ms: int, device: str | None = None
) -> Response:
    states = await load_states(reach.store, wanted.tenant, wanted.devices)
    terms = await reach.terms.of(wanted.tenant, wanted.devices, now_ms)
    question = settle(wanted, _series(wanted, states), now_ms, shared_zone(terms.values()))
    found = await gather(reach, question, states, terms, now_ms)
    measure = Measure(now_ms, reach.config.telemetry.out_of_orderness_ms)
    # Thousands of points would hold up every other request meanwhile.
    written = await to_thread(_written, found, asking.as_of, device, measure)
    return await to_thread(write, written, asking.form, _link(request))


def _series(wanted: Wanted, states: dict[str, DeviceState]) -> int:
    if wanted.metrics:
        return len(wanted.devices) * len(wanted.metrics)
    return sum(len(states[name].latest) if name in states else 1 for name in wanted.devices)


def _written(found: Gathered, as_of: str | None, device: str | None, measure: Measure) -> Written:
    shown = series_columns(found, measure)
    fields = common_fields(found, shown, as_of, measure)
    model = SeriesAnswer if device is not None else ManySeriesAnswer
    plain = model.model_construct(**fields).model_dump(by_alias=True, warnings=False)
    per_device = {name: _about(found, name, shown, measure.now_ms) for name in found.question.devices}
    return Written(plain, shown, device, per_device, found.question.clock)


def _about(found: Gathered, device_id: str, shown: Any, now_ms: int) -> dict[str, Any]:
    latest = found.states[device_id].latest if device_id in found.states else {}
    return {
        "device_id": device_id,
        "freshness": freshness(found, shown, device_id, now_ms).model_dump(),
        "latest": {metric: latest[metric].model_dump() for metric in shown[device_id] if metric in latest},
    }


def _link(request: Request) -> str:
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f"{request.url.path}?{urlencode(kept)}" if kept else request.url.path
