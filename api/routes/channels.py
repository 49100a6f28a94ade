"""`/channels`: where alerts are told.

These routes are plain functions: FastAPI runs them in its threads, where waiting for PostgreSQL or for a
receiver holds up nobody.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from api.channel_answers import Channel, ChannelKinds, ChannelList, ChannelRequest, ChannelTest
from api.dependencies import Config, Create, NowMs, Tenant
from api.queries import channels as queries
from api.queries.channels import open_channels
from api.queries.registry_access import NOBODY, User, moment

_Responses = dict[int | str, dict[str, Any]]
_UNKNOWN: _Responses = {404: {"description": "The tenant has no such channel."}}
router = APIRouter(tags=["channels"], responses={503: {"description": "PostgreSQL does not answer."}})
ChannelName = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,64}$", description="Unique within the tenant.")]


@router.get("/channels", operation_id="listChannels")
def get_channels(config: Config, tenant: Tenant, now_ms: NowMs) -> ChannelList:
    """List the channels and how they fare."""
    with open_channels(config, tenant) as store:
        return queries.list_channels(store, now_ms)


@router.get("/channel-kinds", operation_id="listChannelKinds")
def get_kinds() -> ChannelKinds:
    """List the kinds of channels with the schemas of their settings and secrets."""
    return queries.list_kinds()


@router.get("/channels/{channel}", operation_id="getChannel", responses=_UNKNOWN)
def get_channel(config: Config, tenant: Tenant, now_ms: NowMs, channel: ChannelName) -> Channel:
    """Return one channel; its secret is never shown."""
    with open_channels(config, tenant) as store:
        return queries.show(store, channel, now_ms)


@router.put(
    "/channels/{channel}",
    operation_id="putChannel",
    responses={201: {"model": Channel, "description": "It is new."}},
)
def put_channel(
    config: Config,
    tenant: Tenant,
    now_ms: NowMs,
    channel: ChannelName,
    asked: ChannelRequest,
    response: Response,
    create: Create = False,
    user: User = NOBODY,
) -> Channel:
    """Set all of a channel; a secret that is left out stays, unless it would go somewhere else."""
    with open_channels(config, tenant, writing=True, may_create=create) as store:
        if queries.put(config, store, channel, asked, user, now_ms):
            response.status_code = 201
        return queries.show(store, channel, now_ms)


@router.delete(
    "/channels/{channel}",
    operation_id="deleteChannel",
    status_code=204,
    responses=_UNKNOWN | {409: {"description": "Rules tell it."}},
)
def delete_channel(
    config: Config, tenant: Tenant, now_ms: NowMs, channel: ChannelName, user: User = NOBODY
) -> None:
    """Remove a channel that no rule names; what waits for it is given up."""
    with open_channels(config, tenant) as store:
        store.delete(channel, user, moment(now_ms))


@router.post("/channels/{channel}/test", operation_id="testChannel", responses=_UNKNOWN)
def test_channel(
    config: Config, tenant: Tenant, now_ms: NowMs, channel: ChannelName, user: User = NOBODY
) -> ChannelTest:
    """Send a test message through it now, also while it is switched off, and say what came of it."""
    return queries.test(config, tenant, channel, user, now_ms)
