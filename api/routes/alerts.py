"""`/alerts`: what was raised, and what people do about it.

These routes are plain functions: FastAPI runs them in its threads, where waiting for PostgreSQL holds
up nobody.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from api.alert_answers import (
    AlertAnswer,
    AlertDetail,
    AlertPage,
    Assignment,
    Comment,
    CommentRequest,
    Severity,
    Snooze,
)
from api.dependencies import Config, NowMs, Tenant
from api.queries import alerts as queries
from api.queries.alerts import FOREVER_MS, AskedShadow, AskedState
from api.queries.registry_access import NOBODY, User, change_by, open_database
from api.queries.timerange import TIME_FORMS, parse_time
from catalog.alert_desk import AlertDesk, Wanted
from millrace.settings import Settings

_Responses = dict[int | str, dict[str, Any]]
_UNKNOWN: _Responses = {404: {"description": "The tenant has no such alert."}}
_OVER: _Responses = _UNKNOWN | {409: {"description": "The alert is over."}}
router = APIRouter(
    prefix="/alerts", tags=["alerts"], responses={503: {"description": "PostgreSQL does not answer."}}
)

AlertId = Annotated[str, Path(pattern=r"^[0-9a-f]{24}$")]
Name = Annotated[str | None, Query(max_length=256, pattern=r"^[^\x00]*$")]


@contextmanager
def _desk(config: Settings, tenant: str) -> Iterator[AlertDesk]:
    with open_database(config) as connection:
        yield AlertDesk(connection, tenant)


@router.get("", operation_id="listAlerts")
def get_alerts(
    config: Config,
    tenant: Tenant,
    now_ms: NowMs,
    state: Annotated[
        AskedState, Query(description="active: open or acknowledged; any: all but withdrawn.")
    ] = "any",
    severity: Annotated[Severity | None, Query()] = None,
    rule: Name = None,
    device: Name = None,
    site: Name = None,
    from_: Annotated[
        str | None, Query(alias="from", max_length=64, description=f"Onset from: {TIME_FORMS}")
    ] = None,
    to: Annotated[str | None, Query(max_length=64, description="Onset before; same forms.")] = None,
    shadow: Annotated[AskedShadow, Query(description="Alerts of rules that only watch.")] = "exclude",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=256, description="`next_cursor` of a page.")] = None,
) -> AlertPage:
    """List alerts, the newest onset first."""
    wanted = Wanted(
        from_ms=0 if from_ is None else parse_time(from_, "from", now_ms),
        to_ms=FOREVER_MS if to is None else parse_time(to, "to", now_ms),
        states=queries.states_of(state),
        shadows=queries.shadows_of(shadow),
        severity=severity,
        rule=rule,
        device=device,
        site=site,
    )
    with _desk(config, tenant) as desk:
        return queries.page(desk, tenant, wanted, limit, cursor)


@router.get("/{alert_id}", operation_id="getAlert", responses=_UNKNOWN)
def get_alert(config: Config, tenant: Tenant, now_ms: NowMs, alert_id: AlertId) -> AlertDetail:
    """Return an alert with the rule as it was, its history, comments and messages."""
    with _desk(config, tenant) as desk:
        return queries.detail(desk, alert_id, now_ms)


@router.post("/{alert_id}/acknowledge", operation_id="acknowledgeAlert", responses=_OVER)
def acknowledge(
    config: Config, tenant: Tenant, now_ms: NowMs, alert_id: AlertId, user: User = NOBODY
) -> AlertAnswer:
    """Say that you take care of it, which ends escalation; the first one counts."""
    with _desk(config, tenant) as desk:
        return queries.answer(desk.acknowledge(alert_id, change_by(user, now_ms)))


@router.post("/{alert_id}/clear", operation_id="clearAlert", responses=_UNKNOWN)
def clear(
    config: Config, tenant: Tenant, now_ms: NowMs, alert_id: AlertId, user: User = NOBODY
) -> AlertAnswer:
    """End it by hand; it stays so until the condition ends and begins anew."""
    with _desk(config, tenant) as desk:
        return queries.answer(desk.clear(alert_id, change_by(user, now_ms)))


@router.post("/{alert_id}/assign", operation_id="assignAlert", responses=_UNKNOWN)
def assign(
    config: Config,
    tenant: Tenant,
    now_ms: NowMs,
    alert_id: AlertId,
    asked: Assignment,
    user: User = NOBODY,
) -> AlertAnswer:
    """Give it to somebody, or to nobody in particular."""
    with _desk(config, tenant) as desk:
        return queries.answer(desk.assign(alert_id, asked.assignee, change_by(user, now_ms)))


@router.post("/{alert_id}/snooze", operation_id="snoozeAlert", responses=_OVER)
def snooze(
    config: Config, tenant: Tenant, now_ms: NowMs, alert_id: AlertId, asked: Snooze, user: User = NOBODY
) -> AlertAnswer:
    """Tell nobody of it for a time, except that it is over."""
    until = queries.snoozed_until(asked, now_ms)
    with _desk(config, tenant) as desk:
        return queries.answer(desk.snooze(alert_id, until, change_by(user, now_ms)))


@router.post("/{alert_id}/comments", operation_id="commentAlert", status_code=201, responses=_UNKNOWN)
def comment(
    config: Config,
    tenant: Tenant,
    now_ms: NowMs,
    alert_id: AlertId,
    asked: CommentRequest,
    user: User = NOBODY,
) -> Comment:
    """Say something about it."""
    with _desk(config, tenant) as desk:
        return queries.comment(desk.comment(alert_id, asked.text, change_by(user, now_ms)))
