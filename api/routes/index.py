"""`/`: where things are."""

from fastapi import APIRouter

from api.answers import Index

router = APIRouter(tags=["about"])
_SERIES = "from,to,resolution,downsample,limit,cursor,as_of,format,tenant"


@router.get("/", operation_id="getIndex")
async def get_index() -> Index:
    """List the endpoints."""
    return Index(
        name="Millrace API",
        links={
            "devices": "/devices{?tenant,state,site,order,limit,cursor}",
            "device": "/devices/{device_id}{?tenant}",
            "data": f"/data/{{device_id}}{{?metrics,{_SERIES}}}",
            "data_of_several": f"/data{{?devices,metrics,{_SERIES}}}",
            "registry": "/registry/devices",
            "dead_letters": "/dead-letters{?reason,device,source,from,to,tenant,cursor,limit}",
            "rules": "/rules",
            "rule_kinds": "/rule-kinds",
            "channel_kinds": "/channel-kinds",
            "alerts": "/alerts{?state,severity,rule,device,site,from,to,cursor}",
            "channels": "/channels",
            "notifications": "/notifications{?state,channel,alert}",
            "quality": "/quality{?table,day,passed}",
            "quality_pages": "/quality/pages/",
            "metrics": "/metrics",
            "health": "/health",
            "live": "/health/live",
            "docs": "/docs",
            "openapi": "/openapi.json",
        },
    )
