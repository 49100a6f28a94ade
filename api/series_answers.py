"""The shapes of the answers about series: `/data/{device_id}` of one device, `/data` of several."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from api.answers import AgeMs, Answer, IsoTime, LatestValue, TimeMs
from api.queries.series_question import Downsample
from api.queries.tiers import TierName
from api.queries.timerange import Resolution

LocalTime = Annotated[
    str, Field(description="RFC 3339, by `timezone`.", examples=["2026-03-29T00:00:00.000+01:00"])
]
Open = Annotated[
    bool,
    Field(description="Only where true: it is not over; of its last 10 s only the newest value is known."),
]
Overflow = Annotated[
    bool, Field(description="Only where true: a sum is greater than a float can be, and null here.")
]
WidthMs = Annotated[int, Field(description="Real width of a day, week or month; of no other points.")]
Expected = Annotated[
    int | None,
    Field(description="Of days, weeks and months: readings due in it by now; null if no interval is known."),
]


class Point(TypedDict):
    """Aggregate of all readings of one metric from `time` to the next bucket; `downsample=minmax`."""

    time: LocalTime
    time_ms: TimeMs
    count: Annotated[int, Field(description="Readings in it; a point without readings is left out.")]
    min: float
    max: float
    avg: float | None
    sum: float | None
    first: Annotated[float, Field(description="The value earliest in event time.")]
    last: Annotated[float, Field(description="The value latest in event time.")]
    width_ms: NotRequired[WidthMs]
    expected: NotRequired[Expected]
    open: NotRequired[Open]
    overflow: NotRequired[Overflow]


class Average(TypedDict):
    """Mean of all readings of one metric from `time` to the next bucket; `downsample=avg`."""

    time: LocalTime
    time_ms: TimeMs
    count: int
    avg: float | None
    width_ms: NotRequired[WidthMs]
    expected: NotRequired[Expected]
    open: NotRequired[Open]
    overflow: NotRequired[Overflow]


Estimated = Annotated[
    bool,
    Field(description="Only where true: there may be a reset among readings that were read as aggregates."),
]


class Increase(TypedDict):
    """How much a counter grew since the reading before, over resets; `downsample=increase`."""

    time: LocalTime
    time_ms: TimeMs
    count: int
    increase: float | None
    width_ms: NotRequired[WidthMs]
    expected: NotRequired[Expected]
    open: NotRequired[Open]
    overflow: NotRequired[Overflow]
    estimated: NotRequired[Estimated]


class Rate(TypedDict):
    """How much a counter grew per second between readings, over resets; `downsample=rate`."""

    time: LocalTime
    time_ms: TimeMs
    count: int
    rate: Annotated[float | None, Field(description="Null where there is no reading before.")]
    width_ms: NotRequired[WidthMs]
    expected: NotRequired[Expected]
    open: NotRequired[Open]
    overflow: NotRequired[Overflow]
    estimated: NotRequired[Estimated]


class Picked(TypedDict):
    """A point that `downsample=lttb` kept: the least or greatest value of `sampled_from_ms` from then on."""

    time: LocalTime
    time_ms: TimeMs
    value: float


class RawValue(TypedDict):
    """A metric in one reading; `resolution=raw`."""

    time: LocalTime
    time_ms: TimeMs
    value: float | None
    late: Annotated[bool, Field(description="It came behind the watermark.")]
    open: NotRequired[Annotated[bool, Field(description="Only where true: the lake does not have it yet.")]]


Points = list[Point] | list[Average] | list[Increase] | list[Rate] | list[RawValue] | list[Picked]


class Freshness(Answer):
    """How new what is known of the device is."""

    newest_event_time: IsoTime | None = Field(description="Event time of the device's newest reading.")
    newest_event_time_ms: TimeMs | None
    age_ms: AgeMs | None = Field(description="Age of the newest reading, milliseconds.")
    newest_pane: IsoTime | None = Field(description="Start of the newest pane in this answer.")
    newest_pane_ms: TimeMs | None


class Gap(Answer):
    """A part of the asked range that this answer does not cover, and why."""

    from_: LocalTime = Field(alias="from")
    from_ms: TimeMs
    to: LocalTime
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

    from_: LocalTime = Field(alias="from")
    from_ms: TimeMs
    to: LocalTime
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
    from_: LocalTime = Field(alias="from")
    from_ms: TimeMs
    to: LocalTime
    to_ms: TimeMs
    timezone: str = Field(
        description="By whose calendar points begin: the zone asked for; else that of the devices' site, if "
        "they share one; else the offset of a bound; else UTC."
    )
    resolution: Resolution | Literal["raw"]
    resolution_ms: int | None = Field(
        description="0 = single readings. Days and weeks may be longer or shorter; null: months."
    )
    downsample: Downsample
    sampled_from_ms: int | None = Field(
        description="Width of the aggregates that LTTB picked from, or counters are computed from; where "
        "these may hide a reset, readings are used."
    )
    overflows: int = Field(description="Points with a sum that is greater than a float can be.")
    as_of: str | None = Field(description="The other time of the lake that was asked for.")
    tiers: list[TierName] = Field(description="Where the points come from.")
    stretches: list[TierStretch] = Field(description="The page's parts in time order.")
    complete: bool = Field(description="The whole page is held and no point in it is still open.")
    range_held: bool = Field(description="Every part of the page was read; if not, see `gaps`.")
    last_point_open: bool = Field(description="Readings on time may still change the last point.")
    gaps: list[Gap]
    next_cursor: str | None = Field(description="Null on the last page.")


class SeriesAnswer(_Series):
    """The series of a device's metrics over [from, to), or one page of it.

    Both ends are widened to whole points, but of days and wider none that was written with an offset.
    """

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
