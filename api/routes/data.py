"""`/data`: the series of a device's metrics."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.answers import SeriesAnswer
from api.dependencies import Config, DeviceId, NowMs, Store, Tenant, Tiers
from api.queries.series import SeriesRequest, read_series
from api.queries.timerange import STEP_MS, TIME_FORMS, Asked, choose_resolution, parse_span

router = APIRouter(tags=["data"])


@router.get("/data/{device_id}", operation_id="getSeries", response_model=SeriesAnswer)
async def get_data(
    device_id: DeviceId,
    config: Config,
    store: Store,
    tiers: Tiers,
    tenant: Tenant,
    now_ms: NowMs,
    metric: Annotated[list[str] | None, Query(description="Repeatable; default: all metrics.")] = None,
    from_: Annotated[str, Query(alias="from", max_length=64, description=TIME_FORMS)] = "-1h",
    to: Annotated[str, Query(max_length=64, description=TIME_FORMS)] = "now",
    resolution: Annotated[
        Asked, Query(description="Width of a point; auto: the finest with at most 600 points.")
    ] = "auto",
) -> Response:
    """Return min, max, avg, sum, count, first and last of each metric over time."""
    span = parse_span(from_, to, now_ms)
    width = choose_resolution(resolution, span.width_ms)
    request = SeriesRequest(tenant, device_id, metric or [], span.aligned(STEP_MS[width]), width)
    answer = await read_series(store, tiers, request, now_ms, config.telemetry.out_of_orderness_ms)
    return Response(answer.model_dump_json(by_alias=True), media_type="application/json")
