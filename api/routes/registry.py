"""`/registry`: what is configured of devices, profiles, sites and maintenance.

These routes are plain functions: FastAPI runs them in its threads, where waiting for PostgreSQL holds
up nobody.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import ValidationError

from api.dependencies import Config, Create, NowMs, Tenant
from api.problems import WrongParameterError
from api.queries import registry as queries
from api.queries.registry import open_registry
from api.registry_answers import (
    Maintenance,
    MaintenanceList,
    MaintenanceRequest,
    Profile,
    ProfileList,
    RegisteredDevice,
    RegisteredDevicePage,
    Site,
    SiteList,
)
from catalog.registry_entries import (
    NAME,
    DeviceSettings,
    ProfileEntry,
    ProfileSettings,
    SiteSettings,
    TenantSettings,
)
from catalog.registry_names import writer
from millrace.known_keys import in_words

_Responses = dict[int | str, dict[str, Any]]
_UNKNOWN: _Responses = {404: {"description": "The registry has none of this name."}}
_REMOVED = _UNKNOWN | {409: {"description": "Devices belong to it."}}
router = APIRouter(
    prefix="/registry", tags=["registry"], responses={503: {"description": "PostgreSQL does not answer."}}
)

DeviceId = Annotated[str, Path(pattern=NAME, description="Unique within the tenant.")]
ProfileName = Annotated[str, Path(pattern=NAME, description="Profiles are shared by all tenants.")]
SiteName = Annotated[str, Path(pattern=NAME, description="Unique within the tenant.")]


@router.get("/devices", operation_id="listRegisteredDevices")
def get_devices(
    config: Config,
    tenant: Tenant,
    site: Annotated[str | None, Query(max_length=128, description="Only of this site.")] = None,
    profile: Annotated[str | None, Query(max_length=128, description="Only with this profile.")] = None,
    tag: Annotated[str | None, Query(max_length=64, description="Only with this tag.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str, Query(max_length=256, description="`next_cursor` of a page.")] = "",
) -> RegisteredDevicePage:
    """List the registered devices, page by page."""
    with open_registry(config, tenant) as registry:
        return queries.list_devices(registry, site, profile, tag, limit, cursor)


@router.get("/devices/{device_id}", operation_id="getRegisteredDevice", responses=_UNKNOWN)
def get_device(config: Config, tenant: Tenant, device_id: DeviceId) -> RegisteredDevice:
    """Return what is configured of a device."""
    with open_registry(config, tenant) as registry:
        return RegisteredDevice(**queries.get(registry, "device", device_id))


@router.put("/devices/{device_id}", operation_id="putRegisteredDevice")
def put_device(
    config: Config, tenant: Tenant, device_id: DeviceId, device: DeviceSettings, create: Create = False
) -> RegisteredDevice:
    """Set all of a device; the stream judges it so within two seconds, without a restart."""
    who = writer(config, create)
    with open_registry(config, tenant, who) as registry:
        return queries.put_device(registry, device_id, device, who)


@router.delete(
    "/devices/{device_id}", operation_id="deleteRegisteredDevice", status_code=204, responses=_UNKNOWN
)
def delete_device(config: Config, tenant: Tenant, device_id: DeviceId) -> None:
    """Remove a device from the registry; the built-in default judges it from now on."""
    with open_registry(config, tenant) as registry:
        queries.remove(registry, "device", device_id)


@router.get("/profiles", operation_id="listProfiles")
def get_profiles(config: Config, tenant: Tenant) -> ProfileList:
    """List the device profiles."""
    with open_registry(config, tenant) as registry:
        return ProfileList(profiles=queries.list_profiles(registry))


@router.get("/profiles/{profile}", operation_id="getProfile", responses=_UNKNOWN)
def get_profile(config: Config, tenant: Tenant, profile: ProfileName) -> Profile:
    """Return one profile."""
    with open_registry(config, tenant) as registry:
        return Profile(**queries.get(registry, "profile", profile))


@router.put("/profiles/{profile}", operation_id="putProfile")
def put_profile(config: Config, tenant: Tenant, profile: ProfileName, settings: ProfileSettings) -> Profile:
    """Set all of a profile; its devices are judged by it from now on."""
    try:
        entry = ProfileEntry(profile=profile, **settings.model_dump())
    except ValidationError as error:
        wrong = in_words(error.errors(), ProfileEntry.model_json_schema())[0]
        raise WrongParameterError("profile", wrong.what, accepted="another name") from None
    with open_registry(config, tenant) as registry:
        return queries.put_profile(registry, entry)


@router.delete("/profiles/{profile}", operation_id="deleteProfile", status_code=204, responses=_REMOVED)
def delete_profile(config: Config, tenant: Tenant, profile: ProfileName) -> None:
    """Remove a profile that no device has."""
    with open_registry(config, tenant) as registry:
        queries.remove(registry, "profile", profile)


@router.get("/sites", operation_id="listSites")
def get_sites(config: Config, tenant: Tenant) -> SiteList:
    """List the sites."""
    with open_registry(config, tenant) as registry:
        return SiteList(tenant=tenant, sites=queries.list_sites(registry))


@router.get("/sites/{site}", operation_id="getSite", responses=_UNKNOWN)
def get_site(config: Config, tenant: Tenant, site: SiteName) -> Site:
    """Return one site."""
    with open_registry(config, tenant) as registry:
        return Site(**queries.get(registry, "site", site))


@router.put("/sites/{site}", operation_id="putSite")
def put_site(
    config: Config, tenant: Tenant, site: SiteName, settings: SiteSettings, create: Create = False
) -> Site:
    """Set all of a site."""
    with open_registry(config, tenant, writer(config, create)) as registry:
        return queries.put_site(registry, site, settings)


@router.delete("/sites/{site}", operation_id="deleteSite", status_code=204, responses=_REMOVED)
def delete_site(config: Config, tenant: Tenant, site: SiteName) -> None:
    """Remove a site that has no device."""
    with open_registry(config, tenant) as registry:
        queries.remove(registry, "site", site)


@router.get("/tenant", operation_id="getTenant")
def get_tenant(config: Config, tenant: Tenant) -> TenantSettings:
    """Return what is configured of the tenant itself."""
    with open_registry(config, tenant) as registry:
        return registry.tenant_settings()


@router.put("/tenant", operation_id="putTenant")
def put_tenant(
    config: Config, tenant: Tenant, settings: TenantSettings, create: Create = False
) -> TenantSettings:
    """Set what is configured of the tenant itself: the gateway reads local times by it within seconds."""
    with open_registry(config, tenant, writer(config, create)) as registry:
        registry.put_tenant(settings)
        return registry.tenant_settings()


@router.get("/maintenance", operation_id="listMaintenance")
def get_maintenance(config: Config, tenant: Tenant, now_ms: NowMs) -> MaintenanceList:
    """List the maintenance windows that have not ended."""
    with open_registry(config, tenant) as registry:
        return MaintenanceList(tenant=tenant, maintenance=queries.list_maintenance(registry, now_ms))


@router.post("/maintenance", operation_id="addMaintenance", status_code=201)
def add_maintenance(
    config: Config, tenant: Tenant, now_ms: NowMs, asked: MaintenanceRequest, create: Create = False
) -> Maintenance:
    """Begin or plan a window in which nobody is called offline; asking twice makes one window."""
    window = queries.window_of(asked, now_ms)
    who = writer(config, create)
    with open_registry(config, tenant, who) as registry:
        return queries.add_maintenance(registry, window, who)


@router.delete(
    "/maintenance/{maintenance_id}", operation_id="deleteMaintenance", status_code=204, responses=_UNKNOWN
)
def delete_maintenance(config: Config, tenant: Tenant, maintenance_id: int) -> None:
    """End a window, or take back a planned one."""
    with open_registry(config, tenant) as registry:
        queries.remove_maintenance(registry, maintenance_id)
