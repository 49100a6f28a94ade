"""`/quality`: what the hourly look at the tables found, as data and as pages."""

from asyncio import to_thread
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import HTMLResponse

from api.dependencies import Config, NowMs
from api.problems import MEDIA_TYPE
from api.quality_answers import QualityReport
from api.queries.quality import newest_findings, read_page

_DAY = r"^\d{4}-\d{2}-\d{2}$"
# The pages need no script and nothing from elsewhere.
_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


def _problem(about: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": about, "content": {MEDIA_TYPE: {"schema": schema}}}


_AWAY: dict[int | str, dict[str, Any]] = {503: _problem("The lake does not answer.")}
_UNKNOWN: dict[int | str, dict[str, Any]] = {404: _problem("There is no such page (yet).")}
router = APIRouter(prefix="/quality", tags=["quality"])


@router.get("", operation_id="listQuality", responses=_AWAY)
async def get_quality(
    config: Config,
    now_ms: NowMs,
    table: Annotated[str | None, Query(max_length=64, description="Table; default: any.")] = None,
    day: Annotated[
        str | None, Query(pattern=_DAY, description="Day that was looked at; default: any.")
    ] = None,
    passed: Annotated[bool | None, Query(description="Only those that passed, or failed.")] = None,
) -> QualityReport:
    """List what each data-quality check found when it was last made."""
    return await to_thread(newest_findings, config, now_ms, table, day, passed)


# The other pages call it by its name: they may be read as files too.
@router.get("/pages/index.html", include_in_schema=False)
@router.get("/pages/", operation_id="getQualityIndex", response_class=HTMLResponse, responses=_UNKNOWN)
async def get_index(config: Config) -> HTMLResponse:
    """Show the newest findings, with links to the page of each."""
    return HTMLResponse(await to_thread(read_page, config, "index.html"), headers=_HEADERS)


@router.get(
    "/pages/{day}/{page}", operation_id="getQualityPage", response_class=HTMLResponse, responses=_UNKNOWN
)
async def get_page(
    config: Config,
    day: Annotated[str, Path(pattern=_DAY)],
    page: Annotated[str, Path(pattern=r"^[a-z0-9_]+\.[a-z0-9_]+\.html$")],
) -> HTMLResponse:
    """Show what one suite found in one view of a table."""
    return HTMLResponse(await to_thread(read_page, config, f"{day}/{page}"), headers=_HEADERS)
