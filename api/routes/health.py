"""`/health`: whether everything the stream needs answers."""

from fastapi import APIRouter, Response

from api.answers import Alive, Health
from api.dependencies import Config, Store, Web
from api.queries.health import check_health

router = APIRouter(prefix="/health", tags=["health"])


@router.get(
    "",
    operation_id="getHealth",
    responses={503: {"model": Health, "description": "A dependency does not answer."}},
)
async def get_health(response: Response, store: Store, web: Web, config: Config) -> Health:
    """Ask each dependency, all at once, one second at most."""
    health = await check_health(store, web, config)
    if health.state != "ok":
        response.status_code = 503
    return health


@router.get("/live", operation_id="getLive")
async def get_live() -> Alive:
    """Say that this process serves, whatever the others do."""
    return Alive()
