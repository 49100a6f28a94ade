"""`/notifications`: who was told what, what failed and why.

These routes are plain functions: FastAPI runs them in its threads, where waiting for PostgreSQL holds
up nobody.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query

from api.channel_answers import NotificationDetail, NotificationPage, State
from api.dependencies import Config, NowMs, Tenant
from api.queries import notifications as queries
from api.queries.notifications import open_deliveries

_Responses = dict[int | str, dict[str, Any]]
_NEWEST: Final = 2**63 - 1
_UNKNOWN: _Responses = {404: {"description": "The tenant has no such notification."}}
router = APIRouter(
    prefix="/notifications",
    tags=["notifications"],
    responses={503: {"description": "PostgreSQL does not answer."}},
)
NotificationId = Annotated[int, Path(ge=1, le=_NEWEST)]


@router.get("", operation_id="listNotifications")
def get_notifications(
    config: Config,
    tenant: Tenant,
    state: Annotated[
        State | None, Query(description="failed: tried, to be tried again; dead: given up. Default: any.")
    ] = None,
    channel: Annotated[str | None, Query(pattern=r"^[a-z0-9-]{1,64}$")] = None,
    alert: Annotated[str | None, Query(pattern=r"^[0-9a-f]{24}$", description="Only about it.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[int, Query(ge=1, le=_NEWEST, description="`next_cursor` of a page.")] = _NEWEST,
) -> NotificationPage:
    """List notifications, newest first."""
    return queries.page(
        config, tenant, state=state, channel=channel, alert_id=alert, limit=limit, cursor=cursor
    )


@router.get("/{notification_id}", operation_id="getNotification", responses=_UNKNOWN)
def get_notification(config: Config, tenant: Tenant, notification_id: NotificationId) -> NotificationDetail:
    """Return a notification with its words and each attempt to deliver it."""
    with open_deliveries(config, tenant) as deliveries:
        return queries.show(config, deliveries, notification_id)


@router.post(
    "/{notification_id}/retry",
    operation_id="retryNotification",
    responses=_UNKNOWN | {409: {"description": "It did not fail."}},
)
def retry_notification(
    config: Config, tenant: Tenant, now_ms: NowMs, notification_id: NotificationId
) -> NotificationDetail:
    """Let a notification that failed or was given up be tried now, once more."""
    with open_deliveries(config, tenant) as deliveries:
        return queries.retry(config, deliveries, notification_id, now_ms)
