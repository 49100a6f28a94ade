"""One frozen, typed Settings object: only what differs between environments."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from millrace.errors import MillraceError
from millrace.event_times import known_zone
from millrace.known_keys import in_words
from millrace.nearest import did_you_mean

PREFIX = "MILLRACE_"
ROOT = Path(__file__).resolve().parent.parent
Port = Annotated[int, Field(ge=1024, le=65535)]


def _zone_or_none(name: str) -> str:
    return known_zone(name).key if name else ""


class Section(BaseModel):
    """A group of settings; an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Ports(Section):
    """Where each service of this stack listens, before `port_offset` is added."""

    mqtt: Port = 18883
    kafka: Port = 18092
    kafka_controller: Port = 18093
    redis: Port = 18379
    postgres: Port = 18432
    flink_rest: Port = 18081
    flink_rpc: Port = 18123
    gateway_http: Port = 18080
    gateway_metrics: Port = 18090
    api: Port = 18000


class Kafka(Section):
    """Size of the local broker."""

    heap: str = Field(default="768m", pattern=r"^[0-9]+[mg]$")


class Redis(Section):
    """Size of the live cache; a full cache refuses writes, it never forgets silently."""

    max_memory: str = Field(default="1gb", pattern=r"^[0-9]+(mb|gb)$")


class Flink(Section):
    """Size and rhythm of the local Flink session cluster."""

    parallelism: int = Field(default=2, ge=1)
    checkpoint_interval_ms: int = Field(default=10_000, ge=1_000)
    taskmanager_memory: str = "3g"
    jobmanager_memory: str = "1g"
    # Names of the jobs this stack keeps running; empty = all.
    jobs: tuple[str, ...] = ()


class Telemetry(Section):
    """How event time behaves on the telemetry topic."""

    out_of_orderness_ms: int = Field(default=10_000, ge=0)
    idle_partition_ms: int = Field(default=30_000, ge=100)
    idle_clock_after_ms: int = Field(default=30_000, ge=1_000)


class Presence(Section):
    """How the state of devices is spread: one Python call handles all devices of a shard."""

    shards: int = Field(default=64, ge=1, le=32_768)


class Rules(Section):
    """How the evaluation of rules is spread; another number loses what rules remember of devices."""

    shards: int = Field(default=16, ge=1, le=32_768)


_ROOT = r"(s3://[a-z0-9][a-z0-9.-]+|file://)(/.*)?"
Root = Annotated[str, Field(pattern=f"^({_ROOT})?$")]
# A REST catalog may know its warehouse by a plain name.
RootOrName = Annotated[str, Field(pattern=f"^({_ROOT}|[^:/]*)$")]
Url = Annotated[str, Field(pattern=r"^(https?://[^/]+.*)?$")]


class Lake(Section):
    """Where tables lie and who keeps their catalog; empty = on this machine, in PostgreSQL.

    Keys of buckets are secrets (`millrace keys`), or come from where AWS's own tools take them.
    """

    warehouse: RootOrName = ""
    archive: Root = ""
    rest_catalog: Url = ""
    s3_endpoint: Url = ""
    s3_region: str = ""


class Http(Section):
    """Limits of our HTTP servers; who is slower or larger is refused."""

    header_timeout_ms: int = Field(default=10_000, ge=100)
    body_timeout_ms: int = Field(default=30_000, ge=100)
    idle_timeout_ms: int = Field(default=15_000, ge=100)
    max_header_bytes: int = Field(default=65_536, ge=1_024)
    max_body_bytes: int = Field(default=8_388_608, ge=1_024)
    # Beside loopback and `bind_host`; "*.plant.example" is any below it, "*" every name.
    allowed_hosts: tuple[str, ...] = ()


class Cost(Section):
    """What a GB costs a month in each tier, in any currency."""

    hot_gb_month: float = Field(default=10.0, ge=0)
    warm_gb_month: float = Field(default=0.023, ge=0)
    cold_gb_month: float = Field(default=0.0125, ge=0)


class Notify(Section):
    """Where links in messages lead."""

    link_root: str = ""


class Settings(BaseSettings):
    """Everything that differs between environments, read from `MILLRACE_*` variables."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    stack: str = Field(default="demo", pattern=r"^[a-z][a-z0-9-]{0,30}$")
    home: Path = ROOT / ".millrace"
    bind_host: str = "127.0.0.1"
    port_offset: int = Field(default=0, ge=0, le=40_000)
    tenant: str = Field(default="demo", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    log_level: str = "INFO"
    timezone: Annotated[str, AfterValidator(_zone_or_none)] = ""
    ports: Ports = Ports()
    kafka: Kafka = Kafka()
    redis: Redis = Redis()
    flink: Flink = Flink()
    telemetry: Telemetry = Telemetry()
    presence: Presence = Presence()
    rules: Rules = Rules()
    notify: Notify = Notify()
    lake: Lake = Lake()
    cost: Cost = Cost()
    http: Http = Http()

    def port(self, name: str) -> int:
        """Return the effective port of a service, offset included."""
        return int(getattr(self.ports, name)) + self.port_offset

    def address(self, name: str) -> str:
        """Return `host:port` of a service of this stack."""
        return f"{self.bind_host}:{self.port(name)}"

    @property
    def folder(self) -> Path:
        """Everything this stack keeps on disk."""
        return self.home / self.stack

    @property
    def jars(self) -> Path:
        """Jars collected by Maven, shared by all stacks."""
        return self.home / "jars"

    @property
    def warehouse(self) -> str:
        """Root URI of the Iceberg warehouse."""
        return self.lake.warehouse or (self.folder / "warehouse").as_uri()

    def environment(self) -> dict[str, str]:
        """Return the variables that reproduce these settings in a child process."""
        return {name: value for name, value in os.environ.items() if name.startswith(PREFIX)} | {
            f"{PREFIX}STACK": self.stack,
            f"{PREFIX}HOME": str(self.home),
            f"{PREFIX}PORT_OFFSET": str(self.port_offset),
        }


def unknown_variables(environment: dict[str, str]) -> list[str]:
    """List `MILLRACE_*` variables that name no setting: a typo must not pass silently."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    present = (name for name in environment if name.startswith(PREFIX))
    return sorted(name for name in present if name.split("__")[0] not in known)


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Read the settings once; raise MillraceError naming every key that is wrong."""
    unknown = unknown_variables(dict(os.environ))
    if unknown:
        known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
        raise MillraceError(
            f"unknown setting {', '.join(unknown)}{did_you_mean(unknown[0].split('__')[0], known)}",
            where="environment",
            mend="`millrace doctor` lists the settings and their defaults.",
        )
    try:
        return Settings()
    except ValidationError as error:
        wrong = in_words(error.errors(), Settings.model_json_schema())
        said = "; ".join(f"{_variable(entry.place)}: {entry.what}" for entry in wrong)
        raise MillraceError(
            f"a setting is wrong: {said}", where="environment", mend="Correct or unset it."
        ) from None


def _variable(place: str) -> str:
    return f"{PREFIX}{place.upper().replace('.', '__')}"
