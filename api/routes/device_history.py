"""`/devices/{device_id}/sessions` and `/events`: when a device was there, and what happened to it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.dependencies import Config, DeviceId, NowMs, Store, Tenant
from api.history_answers import EventPage, SessionPage
from api.queries.device_history import Asked, list_events, list_sessions
from api.queries.timerange import TIME_FORMS, parse_span

router = APIRouter(tags=["devices"], responses={503: {"description": "Redis or the lake does not answer."}})


async def _asked(
    device_id: DeviceId,
    tenant: Tenant,
    now_ms: NowMs,
    from_: Annotated[str, Query(alias="from", max_length=64, description=TIME_FORMS)] = "-7d",
    to: Annotated[str, Query(max_length=64, description=TIME_FORMS)] = "now",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=1024, description="`next_cursor` of a page.")] = None,
) -> Asked:
    return Asked(tenant, device_id, parse_span(from_, to, now_ms), limit, cursor)


Page = Annotated[Asked, Depends(_asked)]


@router.get("/devices/{device_id}/sessions", operation_id="listSessions")
async def get_sessions(asked: Page, store: Store, config: Config, now_ms: NowMs) -> SessionPage:
    """List the closed sessions of a device that touch a range; a correction replaces what was told before."""
    return await list_sessions(store, config, asked, now_ms)


@router.get("/devices/{device_id}/events", operation_id="listEvents")
async def get_events(asked: Page, store: Store, config: Config, now_ms: NowMs) -> EventPage:
    """List what happened to a device in a range of event time."""
    return await list_events(store, config, asked, now_ms)
