"""What the registry holds, as people write it: in YAML files, in API requests, in answers."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from millrace.event_times import known_zone
from millrace.unregistered import DEFAULT_PROFILE

NAME = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$"
TAG = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$"
TENANT = r"^[A-Za-z0-9_-]{1,64}$"
Name = Annotated[str, Field(pattern=NAME)]
Tag = Annotated[str, Field(pattern=TAG)]
Tenant = Annotated[str, Field(pattern=TENANT)]
Text = Annotated[str, Field(max_length=1024)]
Seconds = Annotated[int, Field(gt=0, le=366 * 86_400)]
# The stream looks at silence no finer.
LEAST_OFFLINE_AFTER_S = 10
Days = Annotated[int, Field(ge=1, le=36_500)]


def _is_zone(name: str) -> str:
    return known_zone(name).key


TimeZone = Annotated[
    str,
    Field(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,63}$", examples=["Europe/Berlin"]),
    AfterValidator(_is_zone),
]
_ZONE_ABOUT = "By which local times without an offset are read; null: "


class Entry(BaseModel):
    """Base of all entries: frozen, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _each_once(tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(tags)))


class DeviceSettings(Entry):
    """What is configured of a device; without a profile the built-in default judges it."""

    site: Name | None = None
    profile: Name | None = Field(default=None, description="Name of a profile; null: the built-in default.")
    firmware: Text = ""
    tags: Annotated[tuple[Tag, ...], AfterValidator(_each_once)] = Field(
        default=(), max_length=32, description="What rules may name in their scope; kept sorted, each once."
    )
    timezone: TimeZone | None = Field(default=None, description=f"{_ZONE_ABOUT}the site's.")
    about: Text = ""

    @model_validator(mode="before")
    @classmethod
    def _default_is_none(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("profile") == DEFAULT_PROFILE:
            return given | {"profile": None}
        return given


class DeviceEntry(DeviceSettings):
    """One device."""

    device_id: Name
    tenant: Tenant | None = None


Figure = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class MetricSettings(Entry):
    """What a profile promises of a metric; it is stored and answered as it was given."""

    unit: Annotated[str, Field(max_length=64)] = ""
    kind: Literal["gauge", "counter"] = Field(
        default="gauge",
        description="counter: only grows, or begins anew at 0; `/data` tells its increase.",
    )
    about: Text = ""
    min: Figure | None = Field(default=None, description="Values below are out of range.")
    max: Figure | None = Field(default=None, description="Values above are out of range.")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min should not be above max")
        return self

    @model_serializer(mode="wrap")
    def _as_given(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialize(self)
        return {name: value for name, value in fields.items() if name in self.model_fields_set}


class ProfileSettings(Entry):
    """What devices of one kind have in common."""

    expected_interval_s: Seconds = Field(default=60, description="How often a device speaks.")
    offline_after_s: Annotated[int, Field(ge=LEAST_OFFLINE_AFTER_S, le=366 * 86_400)] = Field(
        default=300, description="Silence after which a device is offline."
    )
    metrics: dict[str, MetricSettings] = Field(
        default_factory=dict,
        description="Metric name to unit and valid range: `{temperature_c: {unit: °C, min: -40, max: 85}}`.",
    )
    retention_class: Name = "standard"
    warm_days: Days | None = Field(
        default=None, description="Readings older than this move to the archive; null: never."
    )
    cold_days: Days | None = Field(
        default=None, description="Readings older than this are deleted; null: never."
    )
    about: Text = ""

    @model_validator(mode="after")
    def _has_a_chance(self) -> Self:
        if self.offline_after_s < self.expected_interval_s:
            raise ValueError(
                "offline_after_s should be at least expected_interval_s, or every pause is offline"
            )
        return self

    @model_validator(mode="after")
    def _is_archived_before_it_goes(self) -> Self:
        if self.cold_days is not None and (self.warm_days is None or self.cold_days <= self.warm_days):
            raise ValueError("cold_days should be more than warm_days, and needs it: what is cold was warm")
        return self


class ProfileEntry(ProfileSettings):
    """One profile; the name `default` is built in."""

    profile: Name

    @model_validator(mode="after")
    def _is_not_built_in(self) -> Self:
        if self.profile == DEFAULT_PROFILE:
            raise ValueError(f"profile should be another name than {DEFAULT_PROFILE}, which is built in")
        return self


class SiteSettings(Entry):
    """What is configured of a site; WGS 84 degrees, both or none."""

    about: Text = ""
    lat: Annotated[float, Field(ge=-90, le=90)] | None = None
    lon: Annotated[float, Field(ge=-180, le=180)] | None = None
    timezone: TimeZone | None = Field(default=None, description=f"{_ZONE_ABOUT}the tenant's.")

    @model_validator(mode="after")
    def _is_a_place(self) -> Self:
        if (self.lat is None) != (self.lon is None):
            raise ValueError("lat and lon should be given together")
        return self


class SiteEntry(SiteSettings):
    """One site."""

    site: Name
    tenant: Tenant | None = None


class TenantSettings(Entry):
    """What is configured of a tenant."""

    timezone: TimeZone | None = Field(default=None, description=f"{_ZONE_ABOUT}the stack's setting.")


class TenantEntry(TenantSettings):
    """One tenant."""

    tenant: Tenant


class MaintenanceEntry(Entry):
    """A window in which silence is expected: of one device, or of every device of a site."""

    device_id: Name | None = None
    site: Name | None = None
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    about: Text = ""
    tenant: Tenant | None = None

    @model_validator(mode="after")
    def _is_a_window(self) -> Self:
        if (self.device_id is None) == (self.site is None):
            raise ValueError("a window should name either device_id or site")
        if self.starts_at >= self.ends_at:
            raise ValueError("ends_at should be after starts_at")
        return self


class RegistryFile(Entry):
    """A registry as one YAML file; a plain list is a list of devices."""

    profiles: list[ProfileEntry] = []
    sites: list[SiteEntry] = []
    devices: list[DeviceEntry] = []
    maintenance: list[MaintenanceEntry] = []
    tenants: list[TenantEntry] = []

    @model_validator(mode="before")
    @classmethod
    def _devices_alone(cls, given: Any) -> Any:
        return {"devices": given} if isinstance(given, list) else given


_DURATION = re.compile(r"^(\d+)([smhd])$")
_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def parse_duration_s(text: str) -> int:
    """Read `90s`, `15m`, `2h` or `3d` as seconds; ValueError when it is none of these."""
    found = _DURATION.match(text)
    if not found or not int(found[1]):
        raise ValueError(f"{text!r} is no duration")
    return int(found[1]) * _UNIT_S[found[2]]


def moment(time_ms: int) -> datetime:
    """Return epoch milliseconds as a moment in UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC)
