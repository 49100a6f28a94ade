"""`/dead-letters`: what the gateway refused, why, and replaying it once it is mended."""

from asyncio import to_thread
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request

from api.dead_letter_answers import (
    DeadLetterDetail,
    DeadLetterId,
    DeadLetterPage,
    DeadLetterSummary,
    ReplayFilter,
    ReplayOutcome,
    ReplayReport,
    ReplayRequest,
    ReplaySelection,
)
from api.dependencies import Config, NowMs, Tenant
from api.problems import MEDIA_TYPE, WrongParameterError
from api.queries.dead_letter_replay import Mend
from api.queries.dead_letter_runs import Chosen, by_filter, by_ids, replay_chosen, replay_one
from api.queries.dead_letters import Asked, Desk, list_letters, show_letter, summarize
from api.queries.timerange import TIME_FORMS, parse_span
from millrace.clock import now_ms as clock


def _problem(about: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": about, "content": {MEDIA_TYPE: {"schema": schema}}}


_UNKNOWN: dict[int | str, dict[str, Any]] = {404: _problem("Unknown dead letter.")}
router = APIRouter(
    prefix="/dead-letters",
    tags=["dead letters"],
    responses={503: _problem("The lake, PostgreSQL or the gateway does not answer.")},
)


async def _desk(request: Request, config: Config) -> Desk:
    state = request.app.state
    if not hasattr(state, "dead_letter_desk"):
        state.dead_letter_desk = Desk(config)
    desk: Desk = state.dead_letter_desk
    return desk


Letters = Annotated[Desk, Depends(_desk)]
LetterId = Annotated[DeadLetterId, Path()]
Reason = Annotated[str | None, Query(max_length=100, description="Reason code; default: any.")]
Device = Annotated[str | None, Query(max_length=256, description="Device; default: any.")]
Source = Annotated[str | None, Query(max_length=100, description="Protocol; default: any.")]
From = Annotated[str, Query(alias="from", max_length=64, description=f"Received from: {TIME_FORMS}")]
To = Annotated[str, Query(max_length=64, description="Received before; same forms.")]
Cursor = Annotated[str | None, Query(max_length=1024, description="`next_cursor` of a page.")]
DryRun = Annotated[bool, Query(description="Only say what would be accepted, and why not; change nothing.")]


@router.get("", operation_id="listDeadLetters")
async def get_dead_letters(
    letters: Letters,
    tenant: Tenant,
    now_ms: NowMs,
    reason: Reason = None,
    device: Device = None,
    source: Source = None,
    from_: From = "-7d",
    to: To = "now",
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> DeadLetterPage:
    """List what the gateway refused, newest first."""
    asked = Asked(reason, device, source)
    wanted = letters.selection(tenant, asked, parse_span(from_, to, now_ms))
    return await to_thread(list_letters, letters, wanted, limit, cursor)


@router.get("/summary", operation_id="summarizeDeadLetters")
async def get_summary(
    letters: Letters,
    tenant: Tenant,
    now_ms: NowMs,
    reason: Reason = None,
    device: Device = None,
    source: Source = None,
    from_: From = "-7d",
    to: To = "now",
) -> DeadLetterSummary:
    """Count dead letters by reason and source over a range."""
    asked = Asked(reason, device, source)
    return await to_thread(
        summarize, letters, letters.selection(tenant, asked, parse_span(from_, to, now_ms))
    )


@router.get("/{dead_letter_id}", operation_id="getDeadLetter", responses=_UNKNOWN)
async def get_dead_letter(dead_letter_id: LetterId, letters: Letters, tenant: Tenant) -> DeadLetterDetail:
    """Return one dead letter with its bytes, what its reason means and what to do."""
    return await to_thread(show_letter, letters, tenant, dead_letter_id)


@router.post("/replay", operation_id="replayDeadLetters")
async def post_replays(
    selection: ReplaySelection,
    letters: Letters,
    tenant: Tenant,
    now_ms: NowMs,
    dry_run: DryRun = False,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=500, description="Letters of the filter in one request.")] = 100,
) -> ReplayReport:
    """Replay a selection of letters, mended by the same fixes, each once."""
    if (selection.ids is None) == (selection.filter is None):
        raise WrongParameterError("body", "ids or filter: exactly one is needed", accepted="one of the two")

    def run() -> ReplayReport:
        chosen = _choose(letters, selection, tenant, now_ms, limit, cursor)
        return replay_chosen(letters, tenant, chosen, Mend(selection.fixes), dry_run, clock)

    return await to_thread(run)


@router.post("/{dead_letter_id}/replay", operation_id="replayDeadLetter", responses=_UNKNOWN)
async def post_replay(
    dead_letter_id: LetterId,
    letters: Letters,
    tenant: Tenant,
    request: ReplayRequest | None = None,
    dry_run: DryRun = False,
) -> ReplayOutcome:
    """Send one letter to the gateway again, mended or as it was, once; a later request says what happened."""
    mend = Mend(request.fixes, request.body) if request else Mend()
    return await to_thread(replay_one, letters, tenant, dead_letter_id, mend, dry_run, clock)


def _choose(
    desk: Desk, selection: ReplaySelection, tenant: str, now_ms: int, limit: int, cursor: str | None
) -> Chosen:
    if selection.ids is not None:
        return by_ids(desk, tenant, selection.ids)
    asked = selection.filter or ReplayFilter()
    wanted = Asked(asked.reason, asked.device, asked.source)
    span = parse_span(asked.from_, asked.to, now_ms)
    return by_filter(desk, desk.selection(tenant, wanted, span), limit, cursor)
