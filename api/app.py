"""The application: settings in, routes and clients wired, errors as problems."""

import pkgutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

import httpx
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from api import problems, routes
from api.edge import Edge
from api.openapi import describe
from api.queries.device_terms import KnownTerms
from api.queries.hot_store import HotStore, connect
from api.queries.lake_access import close_lake
from millrace.settings import Settings, settings


def create_app(config: Settings) -> FastAPI:
    """Build the application for one stack; it connects when it is first asked."""
    # With its documentation pages' scripts: a plant may have no way out.
    app = FastAPIOffline(
        title="Millrace API",
        summary="Devices, their history, and how fresh each answer is.",
        version="1.0.0",
        lifespan=_lifespan,
    )
    app.state.config = config
    problems.install(app)
    for module in pkgutil.iter_modules(routes.__path__):
        app.include_router(import_module(f"api.routes.{module.name}").router)
    describe(app)
    app.add_middleware(Edge, contract=app.openapi, config=config)
    return app


def app_from_environment() -> FastAPI:
    """Build the application from `MILLRACE_*` variables."""
    return create_app(settings())


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    # Every request is held against it, and the first one should not wait.
    app.openapi()
    store = HotStore(connect(app.state.config))
    # Loopback services must not be asked through a proxy of the environment.
    async with httpx.AsyncClient(timeout=1.0, trust_env=False) as web:
        app.state.store, app.state.web = store, web
        app.state.terms = KnownTerms(app.state.config)
        yield
    await store.close()
    app.state.terms.close()
    close_lake(app.state.config)
