"""`DELETE /devices/{device_id}?forget=true`: a device goes from every store, with a report that proves it.

These routes are plain functions: FastAPI runs them in its threads.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from api.dependencies import Config, DeviceId, NowMs, Tenant
from api.forgetting_answers import ForgettingAnswer
from api.queries import forgetting

router = APIRouter(tags=["devices"])


@router.delete(
    "/devices/{device_id}",
    operation_id="forgetDevice",
    status_code=202,
    responses={409: {"description": "Another device is being forgotten."}},
)
def forget_device(
    config: Config,
    tenant: Tenant,
    now_ms: NowMs,
    device_id: DeviceId,
    forget: Annotated[
        Literal["true"], Query(description="Say that you mean it: all of its data will be gone for ever.")
    ],
) -> ForgettingAnswer:
    """Begin to forget a device: Redis, PostgreSQL, Iceberg with its old snapshots, compacted topics."""
    return forgetting.begin(config, tenant, device_id, now_ms)


@router.get(
    "/devices/{device_id}/forgetting",
    operation_id="getForgetting",
    responses={404: {"description": "Nobody asked to forget it."}},
)
def get_forgetting(config: Config, tenant: Tenant, device_id: DeviceId) -> ForgettingAnswer:
    """Say how far it is with forgetting a device, and what the report says."""
    return forgetting.progress(config, tenant, device_id)
