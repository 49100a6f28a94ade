"""`/metrics`: the fleet's figures as JSON, or as text for Prometheus."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from api.answers import Figures
from api.dependencies import Config, NowMs, Store, Web
from api.queries.fleet import read_figures
from api.queries.prometheus import OPENMETRICS, TEXT, to_prometheus

router = APIRouter(tags=["fleet"])


@router.get(
    "/metrics",
    operation_id="getMetrics",
    response_model=Figures,
    responses={200: {"content": {"text/plain": {}, "application/openmetrics-text": {}}}},
)
async def get_metrics(
    store: Store,
    web: Web,
    config: Config,
    now_ms: NowMs,
    accept: Annotated[str, Header(description="text/plain or application/openmetrics-text.")] = "",
) -> Figures | Response:
    """Return devices, readings per second and per-job figures; a part that is down says so."""
    figures = await read_figures(store, web, config, now_ms)
    if "application/openmetrics-text" in accept:
        return Response(to_prometheus(figures, openmetrics=True), media_type=OPENMETRICS)
    if "text/plain" in accept:
        return Response(to_prometheus(figures, openmetrics=False), media_type=TEXT)
    return figures
