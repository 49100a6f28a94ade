"""The shapes of the answers about series: `/data/{device_id}` of one device, `/data` of several."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from api.answers import AgeMs, Answer, IsoTime, LatestValue, TimeMs
from api.queries.series_question import Downsample
from api.queries.tiers import TierName
from api.queries.timerange import Resolution


class Point(TypedDict):
    """Aggregate of all readings of one metric in [time, time + resolution); `downsample=minmax`."""

    time: IsoTime
    time_ms: TimeMs
    count: Annotated[int, Field(description="Readings in it; a point without readings is left out.")]
    min: float
    max: float
    avg: float
    sum: float
    first: Annotated[float, Field(description="The value earliest in event time.")]
    last: Annotated[float, Field(description="The value latest in event time.")]


class Average(TypedDict):
    """Mean of all readings of one metric in [time, time + resolution); `downsample=avg`."""

    time: IsoTime
    time_ms: TimeMs
    count: int
    avg: float


class Picked(TypedDict):
    """A point that `downsample=lttb` kept: the mean of `sampled_from_ms` from then on."""

    time: IsoTime
    time_ms: TimeMs
    value: float


class RawValue(TypedDict):
    """A metric in one reading; `resolution=raw`."""

    time: IsoTime
    time_ms: TimeMs
    value: float
    late: Annotated[bool, Field(description="It came behind the watermark.")]


Points = list[Point] | list[Average] | list[RawValue] | list[Picked]


class Freshness(Answer):
    """How new what is known of the device is."""

    newest_event_time: IsoTime | None = Field(description="Event time of the device's newest reading.")
    newest_event_time_ms: TimeMs | None
    age_ms: AgeMs | None = Field(description="Age of the newest reading, milliseconds.")
    newest_pane: IsoTime | None = Field(description="Start of the newest pane in this answer.")
    newest_pane_ms: TimeMs | None


class Gap(Answer):
    """A part of the asked range that this answer does not cover, and why."""

    from_: IsoTime = Field(alias="from")
    from_ms: TimeMs
    to: IsoTime
    to_ms: TimeMs
    reason: Literal["lake-unavailable", "future"]
    notice: str


class StretchSource(Answer):
    """A table of the lake as it was read."""

    table: str
    snapshot_id: str = Field(description="`as_of` takes it.")
    committed: IsoTime = Field(description="When the snapshot was committed.")
    committed_ms: TimeMs


class TierStretch(Answer):
    """A part of the range: where its points come from, how final and how complete they are."""

    from_: IsoTime = Field(alias="from")
    from_ms: TimeMs
    to: IsoTime
    to_ms: TimeMs
    tier: TierName = Field(description="hot: Redis; warm: the lake; cold: its archive.")
    snapshot_id: str | None = Field(description="Of the first of `sources`; null in the hot tier.")
    sources: list[StretchSource] = Field(description="In a cold stretch late rows may still be warm.")
    newest: IsoTime | None = Field(description="The newest data of the stretch in this answer.")
    newest_ms: TimeMs | None
    final_until: IsoTime = Field(
        description="Before it only late readings change anything, if the stream keeps up."
    )
    final_until_ms: TimeMs
    found: int = Field(description="Readings, of each device as many as its most frequent metric has.")
    expected: int | None = Field(
        description="By the expected intervals of the devices' profiles; null if one is not known."
    )
    completeness: float | None = Field(description="found / expected, at most 1.")


class _Series(Answer):
    tenant: str
    from_: IsoTime = Field(alias="from")
    from_ms: TimeMs
    to: IsoTime
    to_ms: TimeMs
    resolution: Resolution | Literal["raw"]
    resolution_ms: int = Field(description="0 = single readings.")
    downsample: Downsample
    sampled_from_ms: int | None = Field(description="Width of the points that LTTB picked from.")
    as_of: str | None = Field(description="The other time of the lake that was asked for.")
    tiers: list[TierName] = Field(description="Where the points come from.")
    stretches: list[TierStretch] = Field(description="The page's parts in time order.")
    complete: bool = Field(description="The whole page is held and no point in it is still open.")
    range_held: bool = Field(description="Every part of the page was read; if not, see `gaps`.")
    last_point_open: bool = Field(description="Readings on time may still change the last point.")
    gaps: list[Gap]
    next_cursor: str | None = Field(description="Null on the last page.")


class SeriesAnswer(_Series):
    """The series of a device's metrics over [from, to), both widened to whole points; or one page of it."""

    device_id: str
    freshness: Freshness
    latest: dict[str, LatestValue]
    series: dict[str, Points] = Field(description="Points by metric, in time order.")


class DeviceSeries(Answer):
    """The series of one device among several."""

    device_id: str
    freshness: Freshness
    latest: dict[str, LatestValue]
    series: dict[str, Points] = Field(description="Points by metric, in time order.")


class ManySeriesAnswer(_Series):
    """The series of several devices over [from, to); or one page of it."""

    devices: list[DeviceSeries]
