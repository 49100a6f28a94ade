"""What routes are given: the time, the settings, the tenant and the stores.

All are coroutines because FastAPI would send plain functions through its thread pool.
"""

from typing import Annotated

import httpx
from fastapi import Depends, Path, Query, Request

from api.queries.device_terms import KnownTerms
from api.queries.hot_store import HotStore
from millrace.clock import now_ms
from millrace.settings import Settings


async def current_time_ms() -> int:
    """Return the request's time, UTC epoch milliseconds; tests override this dependency."""
    return now_ms()


async def _config(request: Request) -> Settings:
    config: Settings = request.app.state.config
    return config


async def _store(request: Request) -> HotStore:
    store: HotStore = request.app.state.store
    return store


async def _terms(request: Request) -> KnownTerms:
    terms: KnownTerms = request.app.state.terms
    return terms


async def _web(request: Request) -> httpx.AsyncClient:
    client: httpx.AsyncClient = request.app.state.web
    return client


Config = Annotated[Settings, Depends(_config)]
NowMs = Annotated[int, Depends(current_time_ms)]
Store = Annotated[HotStore, Depends(_store)]
Terms = Annotated[KnownTerms, Depends(_terms)]
Web = Annotated[httpx.AsyncClient, Depends(_web)]


async def _tenant(
    config: Config,
    tenant: Annotated[
        str | None,
        Query(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Default: the tenant this stack is set to."),
    ] = None,
) -> str:
    return tenant or config.tenant


Tenant = Annotated[str, Depends(_tenant)]
Create = Annotated[
    bool,
    Query(description="Make the tenant, and a site or device the body names, if they are not there yet."),
]
DeviceId = Annotated[str, Path(min_length=1, max_length=256, description="Unique within the tenant.")]
