"""`/rules/import-aws`: rules out of AWS IoT Events, whose service ended in May 2026."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import JsonValue

from api.aws_answers import AwsImported
from api.dependencies import Config, Create, NowMs, Tenant
from api.queries import aws_imports as queries
from api.queries.registry_access import NOBODY, User, change_by, open_for_writing

_Responses = dict[int | str, dict[str, Any]]
_REFUSED: _Responses = {422: {"description": "It is no AWS IoT Events model."}}
router = APIRouter(
    prefix="/rules", tags=["rules"], responses={503: {"description": "PostgreSQL does not answer."}}
)

Model = Annotated[
    dict[str, JsonValue],
    Body(
        description="A detector or alarm model, as the API, the CLI or CloudFormation write it.",
        examples=[{"detectorModelName": "pump", "detectorModelDefinition": {"states": []}}],
    ),
]


@router.post("/import-aws", operation_id="importAwsModel", responses=_REFUSED)
def import_aws(
    config: Config,
    tenant: Tenant,
    now_ms: NowMs,
    model: Model,
    metric: Annotated[
        list[str] | None, Query(description="Repeatable: attribute=metric, such as temp=temperature_c.")
    ] = None,
    enable: Annotated[bool, Query(description="Put the rules in force at once.")] = False,
    dry_run: Annotated[bool, Query(description="Only say what would be made.")] = False,
    create: Create = False,
    user: User = NOBODY,
) -> AwsImported:
    """Create rules of a model, in shadow unless asked otherwise, and say what could not be translated."""
    state: queries.State = "enabled" if enable else "shadow"
    found = queries.translated(model, metric or (), state)
    with open_for_writing(config, tenant, create, dry_run=dry_run) as connection:
        change = change_by(user, now_ms)
        return queries.store_all(connection, tenant, found, state, change, dry_run=dry_run)
