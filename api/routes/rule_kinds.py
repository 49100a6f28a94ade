"""`/rule-kinds`: what a rule may wait for, as JSON Schemas with an example of each."""

from fastapi import APIRouter

from api.queries.rule_kinds import list_kinds
from api.rule_answers import RuleKinds

router = APIRouter(tags=["rules"])


@router.get("/rule-kinds", operation_id="listRuleKinds")
async def get_kinds() -> RuleKinds:
    """List the kinds of conditions with the schema of each and an example."""
    return list_kinds()
