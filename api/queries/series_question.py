"""What is asked of the history, settled: whose, which range, how fine, and which page."""

import base64
import binascii
import re
import zlib
from math import ceil
from typing import Literal, NamedTuple

import msgspec

from api.problems import WrongParameterError
from api.queries.tiers import horizon_ms
from api.queries.timerange import (
    STEP_MS,
    Asked,
    Resolution,
    Span,
    automatic,
    parse_span,
    parse_time,
)

Downsample = Literal["minmax", "avg", "lttb"]
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
    step_ms: int
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

    @property
    def mark(self) -> int:
        """Return a number by which a cursor knows its question."""
        asked = (self.tenant, sorted(self.devices), self.metrics, self.downsample, self.as_of)
        return zlib.crc32(repr(asked).encode())


class Question(NamedTuple):
    """A question in milliseconds; the page's span is aligned to `step_ms`, which is RAW_MS for readings.

    No metrics = all. `base_ms` is the step that is read, finer than `step_ms` where LTTB picks from it.
    """

    tenant: str
    devices: tuple[str, ...]
    metrics: tuple[str, ...]
    span: Span
    page: Span
    step_ms: int
    base_ms: int
    downsample: Downsample
    limit: int | None
    as_of: AsOf | None
    skip: int
    pins: dict[str, int]
    mark: int

    @property
    def is_first_page(self) -> bool:
        """Return whether nothing came before."""
        return self.page.from_ms == self.span.from_ms and not self.skip

    @property
    def resolution(self) -> Resolution | Literal["raw"]:
        """Return the resolution's name."""
        return next((name for name, step_ms in STEP_MS.items() if step_ms == self.step_ms), "raw")

    def next_page(self, at_ms: int, skip: int, pins: dict[str, int]) -> str:
        """Return the cursor of the page that begins there."""
        place = Cursor(self.mark, *self.span, self.step_ms, at_ms, skip, self.pins | pins)
        return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def settle(wanted: Wanted, series: int, now_ms: int) -> Question:
    """Return the question in milliseconds; `series` is about how many it answers.

    WrongParameterError names what cannot be understood.
    """
    place = None if wanted.cursor is None else _place(wanted, wanted.cursor)
    step_ms, span = (
        (place.step_ms, Span(place.from_ms, place.to_ms)) if place else _asked(wanted, series, now_ms)
    )
    if step_ms == RAW_MS and wanted.downsample != "minmax":
        raise WrongParameterError(
            "downsample", "single readings are not sampled down", accepted="a resolution, or no `downsample`"
        )
    page = Span(place.at_ms, span.to_ms) if place else span
    if step_ms and wanted.limit:
        page = Span(page.from_ms, min(page.to_ms, page.from_ms + wanted.limit * step_ms))
    _refuse_too_much(series, page.cut(Span(0, horizon_ms(now_ms))), step_ms)
    return Question(
        wanted.tenant,
        wanted.devices,
        wanted.metrics,
        span,
        page,
        step_ms,
        _base_ms(step_ms, wanted.downsample),
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
    if not is_sound or place.step_ms not in {RAW_MS, *STEP_MS.values()}:
        raise _wrong_cursor("the cursor is none that this API gave")
    return place


def _wrong_cursor(what: str) -> WrongParameterError:
    return WrongParameterError("cursor", what, accepted="`next_cursor` of the same question")


def _asked(wanted: Wanted, series: int, now_ms: int) -> tuple[int, Span]:
    span = parse_span(wanted.from_, wanted.to, now_ms)
    if wanted.resolution == "raw":
        return RAW_MS, span
    resolution = wanted.resolution
    if resolution == "auto":
        resolution = automatic(span.width_ms, max(1, MOST_POINTS // max(1, series) - 1))
    step_ms = STEP_MS[resolution]
    return step_ms, span.aligned(step_ms)


def _base_ms(step_ms: int, downsample: Downsample) -> int:
    if downsample != "lttb" or step_ms <= MINUTE_MS:
        return step_ms
    finer = (each for each in STEP_MS.values() if each >= MINUTE_MS and each * _FINER <= step_ms)
    return max(finer, default=MINUTE_MS)


def _refuse_too_much(series: int, page: Span, step_ms: int) -> None:
    points = series * ceil(page.width_ms / step_ms) if step_ms else 0
    if points > MOST_POINTS:
        raise WrongParameterError(
            "metric",
            f"{series} series of {points // series:,} points are too much for one answer",
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
