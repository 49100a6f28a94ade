"""`/rules`: what raises alerts; created, edited and taken out of force without a restart of anything.

These routes are plain functions: FastAPI runs them in its threads, where waiting for PostgreSQL holds
up nobody.
"""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse

from api.dependencies import Config, Create, NowMs, Tenant
from api.problems import WrongParameterError
from api.queries import rules as queries
from api.queries.known_devices import Reach
from api.queries.known_names import known_names
from api.queries.registry_access import NOBODY, User, change_by, open_database, open_for_writing
from api.rule_answers import Definition, RuleAnswer, RulePage, RulesImported, RuleState, RuleVersions
from catalog.rule_store import RuleStore
from udfs.rules.unknown_names import KnownNames

_Responses = dict[int | str, dict[str, Any]]
_UNKNOWN: _Responses = {404: {"description": "The tenant has no such rule."}}
_REFUSED: _Responses = {422: {"description": "The rule is wrong, or one of its examples fails."}}
_VERSIONED: _Responses = {
    412: {"description": "The rule was changed since it was read."},
    428: {"description": "If-Match is missing."},
}
_YAML = "application/yaml"
_IMPORT_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            _YAML: {"schema": {"type": "string"}},
            "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
        },
    }
}
router = APIRouter(
    prefix="/rules", tags=["rules"], responses={503: {"description": "PostgreSQL does not answer."}}
)

RuleName = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,64}$", description="Unique within the tenant.")]
IfMatch = Annotated[
    str | None, Header(description="The version this replaces: the ETag of the rule as it was read, or *.")
]
DryRun = Annotated[bool, Query(description="Only say what would change.")]


async def _body(request: Request) -> bytes:
    return await request.body()


async def _names(request: Request, config: Config) -> Callable[[str], KnownNames]:
    # Asked only for a rule that is well formed.
    return lambda tenant: known_names(Reach(request.app.state.store, config), tenant)


Names = Annotated[Callable[[str], KnownNames], Depends(_names)]


@router.get("", operation_id="listRules")
def get_rules(
    config: Config,
    tenant: Tenant,
    state: Annotated[RuleState | None, Query(description="Only in this state.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str, Query(pattern=r"^[a-z0-9-]{0,64}$", description="`next_cursor` of a page.")] = "",
) -> RulePage:
    """List the rules of a tenant, page by page."""
    with open_database(config) as connection:
        return queries.page(RuleStore(connection, tenant), state, limit, cursor)


@router.post(
    "",
    operation_id="createRule",
    status_code=201,
    responses=_REFUSED | {409: {"description": "There is a rule of this name."}},
)
def create_rule(
    config: Config,
    names: Names,
    tenant: Tenant,
    now_ms: NowMs,
    response: Response,
    rule: Definition,
    create: Create = False,
    user: User = NOBODY,
) -> RuleAnswer:
    """Create a rule, if it does what its own examples say; it is in force within five seconds."""
    entry = queries.judged(rule)
    with open_for_writing(config, tenant, create) as connection:
        rules = RuleStore(connection, tenant)
        answer = queries.answer(rules, rules.create(entry, change_by(user, now_ms)))
    known = names(tenant)
    return _tagged(response, queries.answer_with(answer, known))


@router.get(
    "/export",
    operation_id="exportRules",
    response_class=PlainTextResponse,
    responses={200: {"content": {_YAML: {"schema": {}}}}},
)
def export_rules(config: Config, tenant: Tenant) -> Response:
    """Return all rules as YAML, in the form that an import reads."""
    with open_database(config) as connection:
        return Response(queries.export_all(RuleStore(connection, tenant)), media_type=_YAML)


@router.post("/import", operation_id="importRules", responses=_REFUSED, openapi_extra=_IMPORT_BODY)
def import_rules(
    config: Config,
    names: Names,
    tenant: Tenant,
    now_ms: NowMs,
    request: Request,
    body: Annotated[bytes, Depends(_body)],
    dry_run: DryRun = False,
    create: Create = False,
    user: User = NOBODY,
) -> RulesImported:
    """Bring rules to what YAML or JSON says, all or nothing; a rule it does not name stays."""
    is_json = request.headers.get("content-type", "").startswith("application/json")
    entries = queries.judged_text(body, is_json=is_json)
    known = names(tenant)
    with open_for_writing(config, tenant, create, dry_run=dry_run) as connection:
        change = change_by(user, now_ms)
        return queries.import_all(connection, tenant, entries, change, known=known, dry_run=dry_run)


@router.get("/{rule}", operation_id="getRule", responses=_UNKNOWN)
def get_rule(config: Config, tenant: Tenant, response: Response, rule: RuleName) -> RuleAnswer:
    """Return a rule as it is now, with its version as ETag."""
    with open_database(config) as connection:
        store = RuleStore(connection, tenant)
        return _tagged(response, queries.answer(store, store.get(rule)))


@router.put("/{rule}", operation_id="putRule", responses=_UNKNOWN | _VERSIONED | _REFUSED)
def put_rule(
    config: Config,
    names: Names,
    tenant: Tenant,
    now_ms: NowMs,
    response: Response,
    rule: RuleName,
    definition: Definition,
    if_match: IfMatch = None,
    user: User = NOBODY,
) -> RuleAnswer:
    """Replace a rule, if it does what its own examples say; the same again makes no new version."""
    expected = queries.expected_version(if_match)
    entry = queries.judged(definition)
    if entry.rule != rule:
        raise WrongParameterError("rule", f"the rule is named {entry.rule!r}", accepted=f"the name {rule!r}")
    with open_database(config) as connection:
        change = change_by(user, now_ms)
        answer = queries.put_rule(RuleStore(connection, tenant), entry, expected, change)
    known = names(tenant)
    return _tagged(response, queries.answer_with(answer, known))


@router.delete("/{rule}", operation_id="deleteRule", status_code=204, responses=_UNKNOWN | _VERSIONED)
def delete_rule(
    config: Config,
    tenant: Tenant,
    now_ms: NowMs,
    rule: RuleName,
    if_match: IfMatch = None,
    user: User = NOBODY,
) -> None:
    """Take a rule out of force and clear its alerts; its versions stay readable."""
    expected = queries.expected_version(if_match)
    with open_database(config) as connection:
        RuleStore(connection, tenant).delete(rule, expected, change_by(user, now_ms))


@router.get("/{rule}/versions", operation_id="listRuleVersions", responses=_UNKNOWN)
def get_versions(config: Config, tenant: Tenant, rule: RuleName) -> RuleVersions:
    """List all versions of a rule, newest first, also of a deleted one."""
    with open_database(config) as connection:
        return queries.versions(RuleStore(connection, tenant), rule)


def _tagged(response: Response, rule: RuleAnswer) -> RuleAnswer:
    response.headers["ETag"] = f'"{rule.version}"'
    return rule
