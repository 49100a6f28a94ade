"""`/alerts/{alert_id}/explanation`: why there is an alert."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.dependencies import Config, Tenant
from api.explanation_answers import Explanation
from api.queries import explanations as queries
from api.routes.alerts import AlertId

_Responses = dict[int | str, dict[str, Any]]
_UNKNOWN: _Responses = {404: {"description": "The tenant has no such alert."}}
router = APIRouter(
    prefix="/alerts", tags=["alerts"], responses={503: {"description": "PostgreSQL does not answer."}}
)


@router.get("/{alert_id}/explanation", operation_id="explainAlert", responses=_UNKNOWN)
def explain_alert(
    config: Config,
    tenant: Tenant,
    alert_id: AlertId,
    snapshot: Annotated[
        str | None,
        Query(
            pattern=r"^[0-9]{1,19}$", description="Of iot.readings, to read it as it was; default: as it is."
        ),
    ] = None,
) -> Explanation:
    """Explain an alert: its rule then, the readings around the onset, what departed, what happened before."""
    return queries.explain(config, tenant, alert_id, int(snapshot) if snapshot else None)
