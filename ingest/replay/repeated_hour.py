"""Which of two moments a local time means when clocks were set back: the order of a device's rows decides."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, Protocol, TypeVar

from ingest.replay.moments import RepeatedTime

# Two repeated hours further apart are of two changes of the clock.
_APART_MS: Final = 12 * 3_600_000
# Rows that wait for the end of a repeated hour; beyond that it is decided by what was read.
MOST_WAITING: Final = 100_000


class _Timed(Protocol):
    @property
    def time_ms(self) -> int: ...

    @property
    def device_id(self) -> str: ...

    def _replace(self, *, time_ms: int) -> "_Timed": ...


Row = TypeVar("Row", bound=_Timed)


def passes(times_ms: Sequence[int], *, descending: bool = False) -> list[int | None]:
    """Say for rows of one repeated hour whether each is of its first (0) or second pass (1), or None.

    `times_ms` are local times in row order, newest first when `descending`. A step back in time that happens
    once divides the passes. Where it never happens, a time that stands twice is of both.
    """
    if descending:
        return passes(times_ms[::-1])[::-1]
    back = [place for place in range(1, len(times_ms)) if times_ms[place] < times_ms[place - 1]]
    if len(back) == 1:
        return [int(place >= back[0]) for place in range(len(times_ms))]
    again = [place for place in range(1, len(times_ms)) if times_ms[place] == times_ms[place - 1]]
    if not back and len(again) == 1:
        return [int(place >= again[0]) for place in range(len(times_ms))]
    return _pairs(times_ms)


def _pairs(times_ms: Sequence[int]) -> list[int | None]:
    counts, seen = Counter(times_ms), Counter[int]()
    found: list[int | None] = []
    for time_ms in times_ms:
        found.append(seen[time_ms] if counts[time_ms] == 2 else None)
        seen[time_ms] += 1
    return found


def settle_repeated(rows: Iterable[Row], undecided: list[Row]) -> Iterator[Row]:
    """Yield rows in their order with every `RepeatedTime` decided.

    What the order of rows does not decide counts as the moment nearer to the device's row before, and is
    added to `undecided`.
    """
    before: dict[str, int] = {}
    waiting: list[Row] = []
    open_devices: set[str] = set()
    for row in rows:
        time_ms = row.time_ms
        if type(time_ms) is int and not waiting:
            before[row.device_id] = time_ms
            yield row
            continue
        repeated = type(time_ms) is RepeatedTime
        waiting.append(row)
        (open_devices.add if repeated else open_devices.discard)(row.device_id)
        if not open_devices or len(waiting) >= MOST_WAITING:
            yield from _settled(waiting, before, undecided)
            waiting, open_devices = [], set()
    yield from _settled(waiting, before, undecided)


def _settled(waiting: Sequence[Row], before: dict[str, int], undecided: list[Row]) -> Iterator[Row]:
    chosen: dict[int, int] = {}
    for places in _by_device(waiting).values():
        _decide(waiting, places, before, chosen, undecided)
    for place, row in enumerate(waiting):
        yield row._replace(time_ms=chosen[place]) if place in chosen else row  # type: ignore[misc]


def _by_device(waiting: Sequence[Row]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for place, row in enumerate(waiting):
        found.setdefault(row.device_id, []).append(place)
    return found


def _decide(
    waiting: Sequence[Row],
    places: list[int],
    before: dict[str, int],
    chosen: dict[int, int],
    undecided: list[Row],
) -> None:
    """Go along one device's rows, run by run of its repeated hours."""
    device_id, at = waiting[places[0]].device_id, 0
    while at < len(places):
        run = _run(waiting, places, at)
        end = at + len(run)
        if run:
            after = waiting[places[end]].time_ms if end < len(places) else None
            _decide_run(waiting, run, (before.get(device_id), after), chosen, undecided)
        last = places[max(end - 1, at)]
        before[device_id] = chosen.get(last, int(waiting[last].time_ms))
        at = max(end, at + 1)


def _run(waiting: Sequence[Row], places: Sequence[int], begin: int) -> list[int]:
    run: list[int] = []
    for at in range(begin, len(places)):
        time_ms = waiting[places[at]].time_ms
        if type(time_ms) is not RepeatedTime or (run and abs(time_ms - waiting[run[0]].time_ms) > _APART_MS):
            break
        run.append(places[at])
    return run


def _decide_run(
    waiting: Sequence[Row],
    run: list[int],
    around: tuple[int | None, int | None],
    chosen: dict[int, int],
    undecided: list[Row],
) -> None:
    times = [waiting[place].time_ms for place in run]
    descending = _descends(times, around)
    for place, time_ms, which in zip(run, times, passes(times, descending=descending), strict=True):
        assert isinstance(time_ms, RepeatedTime)
        if which is None:
            undecided.append(waiting[place])
            which = int(descending)
        chosen[place] = time_ms.later_ms if which else int(time_ms)


def _descends(times: Sequence[int], around: tuple[int | None, int | None]) -> bool:
    """Tell whether rows go back in time, by the rows around the hour, else by most steps within it."""
    before, after = around
    if before is not None:
        return before > max(times)
    if after is not None:
        return after < min(times)
    steps = [one - other for other, one in pairwise(times) if one != other]
    return sum(step < 0 for step in steps) > sum(step > 0 for step in steps)
