"""Figures of the gateways, from their Prometheus ports."""

import asyncio
from collections.abc import Iterator

import httpx
from prometheus_client.parser import text_string_to_metric_families

from api.answers import GatewayFigures, Sample

TIMEOUT_S = 1.0
_NOT_OURS = ("python_", "process_")


async def gateway_figures(web: httpx.AsyncClient, host: str, port: int) -> GatewayFigures:
    """Return a gateway's counters and gauges, or why there are none."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reply = await web.get(f"http://{host}:{port}/metrics", headers={"Accept": "text/plain"})
            reply.raise_for_status()
        return GatewayFigures(state="ok", port=port, samples=list(parse_samples(reply.text)))
    except (httpx.HTTPError, TimeoutError, ValueError) as error:
        reason = f"gateway at {host}:{port}: {type(error).__name__} {error}"
        return GatewayFigures(state="unavailable", port=port, reason=reason)


def parse_samples(text: str) -> Iterator[Sample]:
    """Yield the counters and gauges of a Prometheus text; raise ValueError when it is none."""
    for family in text_string_to_metric_families(text):
        if family.type not in {"counter", "gauge"} or family.name.startswith(_NOT_OURS):
            continue
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                yield Sample(name=sample.name, labels=dict(sample.labels), value=sample.value)
