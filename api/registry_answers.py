"""The shapes of the registry's answers; requests have the shapes of `catalog.registry_entries`."""

from pydantic import Field

from api.answers import Answer, IsoTime
from catalog.registry_entries import DeviceSettings, Entry, Name, ProfileSettings, SiteSettings, Text


class RegisteredDevice(DeviceSettings):
    """What is configured of a device."""

    tenant: str
    device_id: str
    updated_at: IsoTime


class RegisteredDevicePage(Answer):
    """One page of a tenant's registered devices, by id; `next_cursor` is null on the last page."""

    tenant: str
    devices: list[RegisteredDevice]
    next_cursor: str | None


class Profile(ProfileSettings):
    """A device profile."""

    profile: str
    updated_at: IsoTime


class ProfileList(Answer):
    """All profiles. A device without one has the built-in default: 60 s of silence, one reading in 10 s."""

    profiles: list[Profile]


class Site(SiteSettings):
    """A site and how many registered devices it has."""

    tenant: str
    site: str
    devices: int
    updated_at: IsoTime


class SiteList(Answer):
    """A tenant's sites."""

    tenant: str
    sites: list[Site]


class MaintenanceRequest(Entry):
    """A window to begin or to plan, of one device or of a whole site."""

    device_id: Name | None = None
    site: Name | None = None
    starts_at: str | None = Field(default=None, max_length=64, description="RFC 3339; default: now.")
    ends_at: str | None = Field(default=None, max_length=64, description="RFC 3339; or give duration_s.")
    duration_s: int | None = Field(default=None, gt=0, le=366 * 86_400)
    about: Text = ""


class Maintenance(Answer):
    """A maintenance window; in it nobody is called offline."""

    maintenance_id: int
    tenant: str
    device_id: str | None
    site: str | None
    starts_at: IsoTime
    ends_at: IsoTime
    about: str


class MaintenanceList(Answer):
    """The windows that have not ended."""

    tenant: str
    maintenance: list[Maintenance]
