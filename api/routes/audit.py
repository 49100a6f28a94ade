"""`/audit`: who changed which rule, alert or channel."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from api.alert_answers import AuditPage
from api.dependencies import Config, Tenant
from api.queries.alerts import audit_page
from api.queries.registry_access import open_database
from catalog.alert_desk import AlertDesk

router = APIRouter(tags=["audit"])
_NEWEST = 2**63 - 1
_TEXT = r"^[^\x00]*$"


@router.get(
    "/audit", operation_id="listAudit", responses={503: {"description": "PostgreSQL does not answer."}}
)
def get_audit(
    config: Config,
    tenant: Tenant,
    actor: Annotated[
        str | None, Query(max_length=128, pattern=_TEXT, description="Only by this one.")
    ] = None,
    kind: Annotated[
        Literal["rule", "alert", "channel"] | None, Query(description="Only of this kind.")
    ] = None,
    subject: Annotated[
        str | None, Query(max_length=128, pattern=_TEXT, description="Only of this rule, alert or channel.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[int, Query(ge=1, le=_NEWEST, description="`next_cursor` of a page.")] = _NEWEST,
) -> AuditPage:
    """List who changed what, newest first."""
    with open_database(config) as connection:
        desk = AlertDesk(connection, tenant)
        return audit_page(desk, tenant, limit, cursor, actor=actor, subject_kind=kind, subject=subject)
