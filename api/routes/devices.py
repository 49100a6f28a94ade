"""`/devices`: who sends readings, is registered or is known by history, and the newest state of each."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.answers import Device, DevicePage
from api.dependencies import Config, DeviceId, NowMs, Store, Tenant
from api.queries.devices import Order, list_devices, read_device
from api.queries.known_devices import Reach
from api.queries.presence import State, Wanted

router = APIRouter(tags=["devices"])


@router.get("/devices", operation_id="listDevices")
async def get_devices(
    store: Store,
    config: Config,
    tenant: Tenant,
    now_ms: NowMs,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=1024, description="`next_cursor` of a page.")] = None,
    state: Annotated[State, Query(description="As `state` of a device says; any = all of them.")] = "any",
    site: Annotated[str | None, Query(max_length=128, description="Only of this site.")] = None,
    order: Annotated[
        Order,
        Query(
            description="newest: by newest event time, and a device that reports while pages are walked "
            "moves in front of the cursor. id: a walk that shows every device exactly once."
        ),
    ] = "newest",
) -> DevicePage:
    """List the devices of a tenant, page by page."""
    return await list_devices(Reach(store, config), tenant, Wanted(state, site), order, limit, cursor, now_ms)


@router.get("/devices/{device_id}", operation_id="getDevice")
async def get_device(
    device_id: DeviceId, store: Store, config: Config, tenant: Tenant, now_ms: NowMs
) -> Device:
    """Return the newest state of one device that sent readings, is registered, or is known by history."""
    return await read_device(Reach(store, config), tenant, device_id, now_ms)
