"""What is asked of the history, settled: whose, which range, how fine, and which page."""

import base64
import binascii
import re
import zlib
from math import ceil, gcd
from typing import Final, Literal, NamedTuple

import msgspec

from api.problems import WrongParameterError
from api.queries.tiers import horizon_ms
from api.queries.timerange import (
    DAY_MS,
    NOMINAL_MS,
    STEP_MS,
    Asked,
    Bound,
    Resolution,
    Span,
    automatic,
    buckets_of,
    parse_bound,
    parse_time,
    parse_zone,
    span_between,
)
from millrace.phrases import counted
from udfs.local_buckets import Buckets, LocalClock, local_clock

Downsample = Literal["minmax", "avg", "lttb", "increase", "rate"]
# How counters are told: of these differences between readings are made.
COUNTED: Final = ("increase", "rate")
RAW_MS = 0
# What one answer carries: about 20 MB of JSON.
MOST_POINTS = 200_000
MOST_DEVICES = 200
RAW_PAGE = 1000
MINUTE_MS = 60_000
# LTTB picks from points so many times finer.
_FINER = 10
_SNAPSHOT = re.compile(r"(?:snapshot:)?(\d{1,19})", re.ASCII)
_GREATEST_EPOCH_MS = 253_402_297_200_000
AS_OF_FORMS = "a time in any form of `from`, or a snapshot id that an answer named (also as snapshot:123)"


class AsOf(NamedTuple):
    """The lake of another time: as it was at `time_ms`, or at one snapshot."""

    time_ms: int | None
    snapshot_id: int | None


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a page begins, in what is asked as the first page understood it.

    `skip` readings of `at_ms` were on earlier pages; `pins` are the snapshots that the first page read.
    """

    question: int
    from_ms: int
    to_ms: int
    resolution: Resolution | Literal["raw"]
    zone: str
    at_ms: int
    skip: int
    pins: dict[str, int]


class Wanted(NamedTuple):
    """A question as a caller writes it."""

    tenant: str
    devices: tuple[str, ...]
    metrics: tuple[str, ...]
    from_: str
    to: str
    resolution: Asked
    downsample: Downsample
    limit: int | None
    cursor: str | None
    as_of: str | None
    timezone: str | None = None

    @property
    def mark(self) -> int:
        """Return a number by which a cursor knows its question."""
        asked: tuple[object, ...] = (
            self.tenant,
            sorted(self.devices),
            self.metrics,
            self.downsample,
            self.as_of,
        )
        asked += (self.timezone,) if self.timezone else ()
        return zlib.crc32(repr(asked).encode())


class Question(NamedTuple):
    """A question in milliseconds; the page begins and ends with buckets, or at the range's ends.

    No metrics = all. `base_ms` is the width of panes that is read, finer than a point where LTTB picks from
    it, counters need it, or a zone's days are no whole hours of UTC.
    """

    tenant: str
    devices: tuple[str, ...]
    metrics: tuple[str, ...]
    span: Span
    page: Span
    resolution: Resolution | Literal["raw"]
    clock: LocalClock
    base_ms: int
    downsample: Downsample
    limit: int | None
    as_of: AsOf | None
    skip: int
    pins: dict[str, int]
    mark: int

    @property
    def step_ms(self) -> int:
        """Return the width of most points, RAW_MS for readings."""
        return RAW_MS if self.resolution == "raw" else NOMINAL_MS[self.resolution]

    @property
    def buckets(self) -> Buckets:
        """Return what points stand for; of readings there are none."""
        assert self.resolution != "raw"
        return buckets_of(self.resolution, self.clock)

    @property
    def has_days(self) -> bool:
        """Return whether points are days, or wider: their real width differs by the calendar."""
        return self.step_ms >= DAY_MS

    @property
    def is_counted(self) -> bool:
        """Return whether differences of counters are asked for."""
        return self.downsample in COUNTED

    @property
    def is_first_page(self) -> bool:
        """Return whether nothing came before."""
        return self.page.from_ms == self.span.from_ms and not self.skip

    def next_page(self, at_ms: int, skip: int, pins: dict[str, int]) -> str:
        """Return the cursor of the page that begins there."""
        place = Cursor(self.mark, *self.span, self.resolution, self.clock.name, at_ms, skip, self.pins | pins)
        return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def settle(wanted: Wanted, series: int, now_ms: int, zone: str = "UTC") -> Question:
    """Return the question in milliseconds; `series` is about how many it answers.

    `zone` is where the devices are, for who names no other. WrongParameterError names what cannot be
    understood.
    """
    place = None if wanted.cursor is None else _place(wanted, wanted.cursor)
    if place:
        clock = local_clock(place.zone)
        resolution, span = place.resolution, Span(place.from_ms, place.to_ms)
    else:
        resolution, clock, span = _asked(wanted, series, now_ms, zone)
    if resolution == "raw" and wanted.downsample != "minmax":
        raise WrongParameterError(
            "downsample", "single readings are not sampled down", accepted="a resolution, or no `downsample`"
        )
    page = Span(place.at_ms, span.to_ms) if place else span
    if resolution != "raw" and wanted.limit:
        after_ms = buckets_of(resolution, clock).after(page.from_ms, wanted.limit)
        page = Span(page.from_ms, min(page.to_ms, after_ms))
    step_ms = RAW_MS if resolution == "raw" else NOMINAL_MS[resolution]
    _refuse_too_much(series, page.cut(Span(0, horizon_ms(now_ms))), step_ms)
    return Question(
        wanted.tenant,
        wanted.devices,
        wanted.metrics,
        span,
        page,
        resolution,
        clock,
        RAW_MS if resolution == "raw" else _base_ms(buckets_of(resolution, clock), step_ms, wanted, page),
        wanted.downsample,
        wanted.limit,
        None if wanted.as_of is None else _as_of(wanted.as_of, now_ms),
        place.skip if place else 0,
        place.pins if place else {},
        wanted.mark,
    )


def _place(wanted: Wanted, cursor: str) -> Cursor:
    try:
        plain = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        place = msgspec.json.decode(plain, type=Cursor)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise _wrong_cursor("the cursor is none that this API gave") from None
    if place.question != wanted.mark:
        raise _wrong_cursor("the cursor belongs to another question")
    is_sound = place.from_ms <= place.at_ms < place.to_ms and place.skip >= 0
    if not is_sound or not _is_zone(place.zone):
        raise _wrong_cursor("the cursor is none that this API gave")
    return place


def _is_zone(name: str) -> bool:
    try:
        local_clock(name)
    except ValueError:
        return False
    return True


def _wrong_cursor(what: str) -> WrongParameterError:
    return WrongParameterError("cursor", what, accepted="`next_cursor` of the same question")


def _asked(
    wanted: Wanted, series: int, now_ms: int, zone: str
) -> tuple[Resolution | Literal["raw"], LocalClock, Span]:
    clock = parse_zone(wanted.timezone) if wanted.timezone else local_clock(zone)
    begin, end = (parse_bound(text, name, now_ms, clock) for text, name in _bounds(wanted))
    if not wanted.timezone and zone == "UTC":
        # Who writes an offset means the days of it: nobody asked for those of UTC.
        clock = local_clock(next((b.offset for b in (begin, end) if b.offset not in (None, "Z")), "UTC"))
    span = span_between(begin, end, wanted.from_, wanted.to)
    if wanted.resolution == "raw":
        return "raw", clock, span
    resolution: Resolution
    if wanted.resolution == "auto":
        resolution = automatic(span.width_ms, max(1, MOST_POINTS // max(1, series) - 1))
    else:
        resolution = wanted.resolution
    widened = span.widened(buckets_of(resolution, clock))
    if NOMINAL_MS[resolution] < DAY_MS:
        return resolution, clock, widened
    return resolution, clock, _cut(widened, begin, end)


def _bounds(wanted: Wanted) -> tuple[tuple[str, str], tuple[str, str]]:
    return (wanted.from_, "from"), (wanted.to, "to")


def _cut(widened: Span, begin: Bound, end: Bound) -> Span:
    """Return a range of days that is not widened beyond a bound with an offset, but to whole minutes."""
    exact = Span(begin.time_ms, end.time_ms).aligned(MINUTE_MS)
    return Span(
        exact.from_ms if begin.offset else widened.from_ms, exact.to_ms if end.offset else widened.to_ms
    )


def _base_ms(buckets: Buckets, step_ms: int, wanted: Wanted, page: Span) -> int:
    if wanted.downsample in COUNTED:
        return min(gcd(MINUTE_MS, buckets.base_ms(*page)), step_ms)
    if wanted.downsample == "lttb" and step_ms > MINUTE_MS:
        finer = (each for each in STEP_MS.values() if each >= MINUTE_MS and each * _FINER <= step_ms)
        # The page may begin or end within what would be a point in UTC.
        return gcd(max(finer, default=MINUTE_MS), *page)
    if buckets.are_even and not any(bound % step_ms for bound in page):
        return step_ms
    return buckets.base_ms(*page)


def _refuse_too_much(series: int, page: Span, step_ms: int) -> None:
    points = series * ceil(page.width_ms / step_ms) if step_ms else 0
    if points > MOST_POINTS:
        raise WrongParameterError(
            "metric",
            f"{series} series of {counted(points // series, 'point')} are too much for one answer",
            accepted=f"fewer metrics, a shorter range, coarser points, or a limit ({MOST_POINTS:,} points)",
        )


def _as_of(text: str, now_ms: int) -> AsOf:
    number = _SNAPSHOT.fullmatch(text.strip())
    if number and (text.startswith("snapshot:") or int(number[1]) > _GREATEST_EPOCH_MS):
        return AsOf(None, int(number[1]))
    time_ms = parse_time(text, "as_of", now_ms)
    if time_ms > now_ms:
        raise WrongParameterError("as_of", f"as_of={text!r} lies ahead", accepted=AS_OF_FORMS)
    return AsOf(time_ms, None)
