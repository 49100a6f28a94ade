"""The shapes of the answers; `schemas/openapi.yaml` is made from them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

IsoTime = Annotated[str, Field(description="RFC 3339, UTC.", examples=["2026-01-31T12:00:00.000Z"])]
TimeMs = Annotated[int, Field(description="UTC epoch milliseconds.")]
AgeMs = Annotated[
    int, Field(ge=0, description="Milliseconds since; 0 when the device's clock runs ahead of ours.")
]


class Answer(BaseModel):
    """Base of all answers: frozen, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Location(Answer):
    """A WGS 84 position; degrees and metres."""

    lat: float
    lon: float
    alt_m: float | None = None


class LatestValue(Answer):
    """A metric's newest raw value and the event time it belongs to; the unit is in the metric's name."""

    value: float
    time: IsoTime
    time_ms: TimeMs


PresenceState = Literal["online", "offline", "maintenance"]
DeviceStateName = Literal["online", "offline", "maintenance", "never_seen", "history_only"]
DeviceSource = Literal["registry", "lake"]


class Device(Answer):
    """The newest state of one device; what the stream has not said yet is null."""

    tenant: str
    device_id: str
    last_seen: IsoTime | None = Field(description="Newest event time; null = it never sent a reading.")
    last_seen_ms: TimeMs | None
    freshness_ms: AgeMs | None
    online: bool
    state: DeviceStateName = Field(
        description="online, offline and maintenance by the profile's offline_after, in the log's time; "
        "before the stream says so, seen within the last five minutes. never_seen: registered, no reading is "
        "known. history_only: the lake holds readings, as after an import, and the stream saw none."
    )
    registered: bool | None = Field(description="Whether it is in the registry; null = it did not answer.")
    registered_at: IsoTime | None
    registered_at_ms: TimeMs | None
    since: IsoTime | None = Field(description="When the device came into this state.")
    since_ms: TimeMs | None
    session_start: IsoTime | None = Field(description="Event time at which the open session began.")
    session_start_ms: TimeMs | None
    site: str | None
    profile: str | None
    flapping: bool | None = Field(description="Came and went so often that single changes are not told.")
    clock_offset_ms: int | None = Field(description="Constant error of the device's clock; + is behind.")
    received_at: IsoTime | None
    received_at_ms: TimeMs | None
    metrics: dict[str, LatestValue]
    location: Location | None


class DeviceCounts(Answer):
    """How many devices are in each state."""

    online: int = 0
    offline: int = 0
    maintenance: int = 0
    never_seen: int = 0
    history_only: int = 0


class DevicePage(Answer):
    """One page of a tenant's devices; `next_cursor` is null on the last page."""

    tenant: str
    total: int = Field(description="Devices that match the filter, on all pages.")
    counts: DeviceCounts = Field(description="By state, of the site asked for, in whichever state.")
    online_within_ms: int = Field(description="A device counts as online this long before the stream speaks.")
    unanswered: list[DeviceSource] = Field(
        description="Sources that cannot answer now: devices that only these know are not listed."
    )
    devices: list[Device]
    next_cursor: str | None


class Index(Answer):
    """Where things are; links are RFC 6570 templates."""

    name: str
    links: dict[str, str]


class Alive(Answer):
    """The process serves requests."""

    state: Literal["ok"] = "ok"


class Dependency(Answer):
    """Whether one service answers, and how fast."""

    name: str
    state: Literal["ok", "unavailable"]
    latency_ms: float
    detail: str | None = None


class Health(Answer):
    """All dependencies; `ok` only when every one of them is."""

    state: Literal["ok", "unavailable"]
    dependencies: list[Dependency]


class Part(Answer):
    """A part of the figures; when it does not answer its figures are null, never zero."""

    state: Literal["ok", "unavailable"]
    reason: str | None = None


class TenantFigures(Answer):
    """Devices of one tenant."""

    tenant: str
    total: int
    online: int
    offline: int
    newest_event_time: IsoTime | None
    newest_event_time_ms: TimeMs | None
    newest_event_age_ms: AgeMs | None


class DeviceFigures(Part):
    """Devices of all tenants, from Redis."""

    total: int | None = None
    online: int | None = None
    offline: int | None = None
    online_within_ms: int
    newest_event_time: IsoTime | None = None
    newest_event_time_ms: TimeMs | None = None
    newest_event_age_ms: AgeMs | None = None
    tenants: list[TenantFigures] | None = None


class JobFigures(Answer):
    """One running Flink job; a figure Flink does not report is null."""

    job_id: str
    name: str
    state: str
    uptime_ms: int
    readings_per_second: float | None
    pending_records: float | None = Field(description="Records in Kafka that the job has not read yet.")
    restarts: int | None


class StreamFigures(Part):
    """Flink's jobs, from its REST interface."""

    jobs: list[JobFigures] | None = None


class Sample(Answer):
    """One counter or gauge of a gateway; the unit is in its name."""

    name: str
    labels: dict[str, str]
    value: float


class GatewayFigures(Part):
    """One gateway, from its Prometheus port."""

    port: int
    samples: list[Sample] | None = None


class LedgerReason(Answer):
    """Dead letters of one reason: what the gateways told and what is stored."""

    gateways: int
    stored: int


class LedgerFigures(Part):
    """The newest look of the conservation ledger; counts are readings."""

    taken_at: IsoTime | None = None
    taken_at_ms: TimeMs | None = None
    age_ms: AgeMs | None = None
    balanced: bool | None = None
    accepted: int | None = Field(default=None, description="Acknowledged by Kafka.")
    accounted: int | None = Field(default=None, description="Of them told by gateways.")
    direct: int | None = Field(default=None, description="Of them sent straight to Kafka.")
    unaccounted: int | None = Field(default=None, description="Of them told by nobody: a gateway was killed.")
    stored: int | None = None
    on_time: int | None = None
    late: int | None = None
    duplicate: int | None = Field(default=None, description="The same reading again; does not count.")
    replaced: int | None = Field(
        default=None, description="Another value for the same device, time and metric counts instead."
    )
    missing: int | None = Field(default=None, description="Accepted and not stored.")
    behind: int | None = Field(
        default=None, description="Of the missing those the stream has not come to yet."
    )
    repeated: int | None = Field(default=None, description="Rows stored more than once.")
    expected_points: int | None = Field(default=None, description="Metrics of all readings that count.")
    rollup_points: int | None = Field(default=None, description="What the rollups' highest revisions count.")
    windows_open: int | None = None
    windows_pending: int | None = Field(
        default=None, description="Differ and await publication or correction."
    )
    windows_wrong: int | None = None
    dead_letters: int | None = None
    dead_letter_reasons: dict[str, LedgerReason] | None = None
    findings: list[str] | None = Field(default=None, description="What does not balance, in words.")


class TableFigures(Answer):
    """How one table of the lake is packed, and what maintenance did to it since the stack began."""

    table: str
    within_budget: bool
    files: int
    partitions: int
    rows: int
    size_bytes: int
    most_files_per_day: int = Field(description="Of the most fragmented day of a partition.")
    scan_amplification: float = Field(description="Files of days that are over, per file they would need.")
    snapshots: int
    files_joined: int
    files_made: int
    snapshots_expired: int
    orphans_removed: int
    maintenance_cpu_s: float
    compacted_at: IsoTime | None = None


class LakeFigures(Part):
    """The tables after the newest pass of maintenance."""

    taken_at: IsoTime | None = None
    taken_at_ms: TimeMs | None = None
    age_ms: AgeMs | None = None
    files_per_day_budget: int | None = None
    amplification_budget: float | None = None
    tables: list[TableFigures] | None = None


class QueueFigures(Answer):
    """Late work of one kind that waits; `fresh` is that of the last day of event time, done first."""

    queue: Literal["windows", "sessions", "alert_hours"]
    share: Literal["fresh", "backlog"]
    waiting: int
    lag_ms: int = Field(description="Since when the oldest of it waits, milliseconds; 0 = nothing waits.")


class CorrectionFigures(Part):
    """What late readings touched and is not right yet, as the corrector last said."""

    age_ms: AgeMs | None = None
    queues: list[QueueFigures] | None = None


class Figures(Answer):
    """The fleet's figures."""

    time: IsoTime
    time_ms: TimeMs
    devices: DeviceFigures
    stream: StreamFigures
    gateways: list[GatewayFigures]
    ledger: LedgerFigures
    lake: LakeFigures
    corrections: CorrectionFigures
