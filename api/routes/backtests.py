"""`/rules/{rule}/backtest` and `/comparison`: what a rule would have raised, and what two rules did.

These routes are plain functions: FastAPI runs them in its threads, where a scan holds up nobody.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query

from api.backtest_answers import BacktestAnswer, ComparisonAnswer
from api.dependencies import Config, NowMs, Tenant
from api.queries import backtests, rule_comparison
from api.queries.registry_access import open_database
from api.queries.timerange import TIME_FORMS, parse_span
from api.rule_answers import Definition

_Responses = dict[int | str, dict[str, Any]]
_UNKNOWN: _Responses = {404: {"description": "The tenant has no such rule, or not this version."}}
_BUSY: _Responses = {
    422: {"description": "The draft is wrong, or the range is."},
    429: {"description": f"{backtests.MOST_AT_ONCE} backtests are running already."},
}
router = APIRouter(
    prefix="/rules",
    tags=["rules"],
    responses={503: {"description": "PostgreSQL or the lake does not answer."}},
)

_NAME = r"^[a-z0-9-]{1,64}$"
RuleName = Annotated[str, Path(pattern=_NAME, description="Unique within the tenant.")]
From = Annotated[str, Query(alias="from", max_length=64, description=f"Event time from: {TIME_FORMS}")]
To = Annotated[str, Query(max_length=64, description="Event time before; same forms.")]


@router.post("/{rule}/backtest", operation_id="backtestRule", responses=_UNKNOWN | _BUSY)
def backtest(
    config: Config,
    tenant: Tenant,
    now_ms: NowMs,
    rule: RuleName,
    from_: From,
    to: To = "now",
    version: Annotated[int | None, Query(ge=1, description="Default: the rule as it is now.")] = None,
    draft: Annotated[
        Definition | None, Body(description="Is judged instead of the stored rule, which need not exist.")
    ] = None,
) -> BacktestAnswer:
    """Judge stored readings by a rule in any state, or by a draft; nothing is raised."""
    span = parse_span(from_, to, now_ms)
    return backtests.backtest(config, tenant, rule, span, version, draft)


@router.get("/{rule}/comparison", operation_id="compareRules", responses=_UNKNOWN)
def compare(
    config: Config,
    tenant: Tenant,
    now_ms: NowMs,
    rule: RuleName,
    other: Annotated[
        str, Query(alias="with", pattern=_NAME, description="The rule to compare with, such as a shadow.")
    ],
    from_: From,
    to: To = "now",
) -> ComparisonAnswer:
    """Compare the alerts of two rules, each live or in shadow: both, only the first, only the second."""
    span = parse_span(from_, to, now_ms)
    with open_database(config) as connection:
        return rule_comparison.compare(connection, tenant, rule, other, span)
