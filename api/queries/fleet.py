"""`GET /metrics`: the fleet's figures, each part with its own state."""

import asyncio

import httpx
from redis.exceptions import RedisError

from api.answers import DeviceFigures, Figures, TenantFigures
from api.queries.corrections import correction_figures
from api.queries.flink import stream_figures
from api.queries.gateways import gateway_figures
from api.queries.hot_store import HotStore, TenantCounts
from api.queries.ledger import LEDGER_FILE, ledger_figures
from api.queries.maintenance import MAINTENANCE_FILE, lake_figures
from api.queries.presence import ONLINE_WITHIN_MS
from catalog.corrections_report import report_file
from millrace.clock import age_ms, to_iso
from millrace.settings import Settings

GATEWAYS = 2


async def read_figures(store: HotStore, web: httpx.AsyncClient, config: Settings, now_ms: int) -> Figures:
    """Ask every part at once; a part that does not answer is reported as unavailable."""
    first_port = config.port("gateway_metrics")
    ports = range(first_port, first_port + GATEWAYS)
    devices, stream, gateways = await asyncio.gather(
        _device_figures(store, now_ms),
        stream_figures(web, config.address("flink_rest")),
        asyncio.gather(*(gateway_figures(web, config.bind_host, port) for port in ports)),
    )
    return Figures(
        time=to_iso(now_ms),
        time_ms=now_ms,
        devices=devices,
        stream=stream,
        gateways=list(gateways),
        ledger=ledger_figures(config.folder / LEDGER_FILE, now_ms),
        lake=lake_figures(config.folder / MAINTENANCE_FILE, now_ms),
        corrections=correction_figures(report_file(config), now_ms),
    )


async def _device_figures(store: HotStore, now_ms: int) -> DeviceFigures:
    try:
        tenants = [
            _tenant_figures(
                tenant, await store.tenant_counts(tenant, now_ms - ONLINE_WITHIN_MS, now_ms), now_ms
            )
            for tenant in await store.tenants()
        ]
    except RedisError as error:
        return DeviceFigures(
            state="unavailable", reason=f"Redis: {type(error).__name__}", online_within_ms=ONLINE_WITHIN_MS
        )
    return sum_tenants(tenants, now_ms)


def _tenant_figures(tenant: str, counts: TenantCounts, now_ms: int) -> TenantFigures:
    newest_ms = counts.newest_event_ms
    return TenantFigures(
        tenant=tenant,
        total=counts.total,
        online=counts.online,
        offline=counts.total - counts.online,
        newest_event_time=None if newest_ms is None else to_iso(newest_ms),
        newest_event_time_ms=newest_ms,
        newest_event_age_ms=None if newest_ms is None else age_ms(newest_ms, now_ms),
    )


def sum_tenants(tenants: list[TenantFigures], now_ms: int) -> DeviceFigures:
    """Add the tenants up to the whole fleet."""
    times = (tenant.newest_event_time_ms for tenant in tenants)
    newest_ms = max((time_ms for time_ms in times if time_ms is not None), default=None)
    return DeviceFigures(
        state="ok",
        total=sum(tenant.total for tenant in tenants),
        online=sum(tenant.online for tenant in tenants),
        offline=sum(tenant.offline for tenant in tenants),
        online_within_ms=ONLINE_WITHIN_MS,
        newest_event_time=None if newest_ms is None else to_iso(newest_ms),
        newest_event_time_ms=newest_ms,
        newest_event_age_ms=None if newest_ms is None else age_ms(newest_ms, now_ms),
        tenants=tenants,
    )
