"""The warm and the cold tier: minutes from `iot.rollups_1m`, what is finer from readings and their archive.

The lake's libraries are loaded when they are first needed (see `lake_access`).
"""

from asyncio import to_thread
from math import isinf
from typing import TYPE_CHECKING, Final

import numpy as np

from api.queries.lake_access import lake_problems, tables_of
from api.queries.panes import PANE, Panes, combine, panes_of
from api.queries.series_question import MINUTE_MS, AsOf
from api.queries.tiers import Found, Series, Sought, Source, Stretch, TierName, horizon_ms
from api.queries.timerange import Span
from millrace.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

    from catalog.snapshot_files import Where

WARM: Final = "iot.readings"
COLD: Final = "iot_archive.readings"
MINUTES: Final = "iot.rollups_1m"


class LakeTier:
    """The lake as it is now, as it was, or as an earlier page saw it (`pins`); `used` says what was read.

    Reading raises ProblemError: 503, 404 and 410 as `lake_problems` says.
    """

    name: TierName = "warm"

    def __init__(self, config: Settings, as_of: AsOf | None, pins: dict[str, int]) -> None:
        self._config, self._as_of, self._pins = config, as_of, pins
        self.used: dict[str, int] = {}

    def holds(self, now_ms: int) -> Span:
        """Return all time up to now."""
        return Span(0, horizon_ms(now_ms))

    async def read(self, sought: Sought, span: Span) -> Found:
        """Return minutes, or 10 s panes where finer ones are sought."""
        return await to_thread(self._minutes if sought.step_ms >= MINUTE_MS else self._panes, sought, span)

    async def readings(self, sought: Sought, span: Span) -> "tuple[pa.Table, list[Stretch]]":
        """Return the readings of the span in order of time."""
        return await to_thread(self._readings, sought, span)

    def _minutes(self, sought: Sought, span: Span) -> Found:
        with lake_problems(MINUTES):
            table = self._open(MINUTES)
            snapshot = self._snapshot(MINUTES, table)
            if table is None or snapshot is None:
                return Found({}, [Stretch("warm", span)])
            from catalog.rollup_history import read_minutes

            where = _where(sought, span, "window_start")
            read = read_minutes(table, snapshot, where, _metrics(sought))
        panes = {
            series: combine(_as_panes(one.start_ms, one.numbers), sought.width_ms)
            for series, one in read.items()
        }
        return Found(panes, [Stretch("warm", span, (_source(MINUTES, snapshot),))])

    def _panes(self, sought: Sought, span: Span) -> Found:
        from catalog.raw_history import values_by_metric

        rows, stretches = self._readings(sought, span)
        devices = rows["device_id"].combine_chunks().dictionary_encode()
        times_ms, owners = rows["time_ms"].to_numpy(), devices.indices.to_numpy()
        panes: dict[Series, Panes] = {}
        for metric, values in values_by_metric(rows, _metrics(sought)).items():
            owner = owners[values.row]
            for place, device_id in enumerate(devices.dictionary.to_pylist()):
                own = owner == place
                single = panes_of(times_ms[values.row[own]], values.value[own])
                panes[device_id, metric] = combine(single, sought.step_ms)
        return Found(panes, stretches)

    def _readings(self, sought: Sought, span: Span) -> "tuple[pa.Table, list[Stretch]]":
        from catalog.raw_history import read_raw

        where = _where(sought, span, "event_time")
        with lake_problems(WARM):
            # Warm is opened first: what moves to the archive meanwhile is then in both, never in neither.
            opened = {name: self._open(name) for name in (WARM, COLD)}
            taken = {name: self._snapshot(name, table) for name, table in opened.items()}
            places = [(t, s) for t, s in zip(opened.values(), taken.values(), strict=True) if t and s]
            rows = read_raw(places, where)
            cold_until_ms = _until_ms(opened[COLD], taken[COLD], where)
        sources = [_source(name, snapshot) for name, snapshot in taken.items() if snapshot]
        return rows, list(_split(span, cold_until_ms, sources))

    def _open(self, name: str) -> "Table | None":
        from pyiceberg.exceptions import NoSuchTableError

        namespace, _, table = name.partition(".")
        try:
            return tables_of(self._config).load((namespace, table))
        except NoSuchTableError:
            # Before anything moved there is no archive.
            if name != COLD:
                raise
            return None

    def _snapshot(self, name: str, table: "Table | None") -> "Snapshot | None":
        from catalog.snapshots import kept_snapshot

        if table is None:
            return None
        # All parts of a page are of one snapshot, as all pages are.
        pinned = self._pins.get(name, self.used.get(name))
        found = self._asked_snapshot(table) if pinned is None else kept_snapshot(table, pinned)
        if found is not None:
            self.used[name] = found.snapshot_id
        return found

    def _asked_snapshot(self, table: "Table") -> "Snapshot | None":
        from catalog.snapshots import snapshot_at

        if self._as_of is None:
            return table.current_snapshot()
        own = table.snapshot_by_id(self._as_of.snapshot_id) if self._as_of.snapshot_id else None
        return own or snapshot_at(table, self.taken_ms(self._as_of))

    def taken_ms(self, as_of: AsOf) -> int:
        """Return the time that is asked for, or of the snapshot in whichever table, epoch milliseconds."""
        return self._time_of(as_of.snapshot_id) if as_of.time_ms is None else as_of.time_ms

    def _time_of(self, snapshot_id: int | None) -> int:
        from catalog.snapshots import UnknownSnapshotError

        with lake_problems(WARM):
            for name in (MINUTES, WARM, COLD):
                table = self._open(name)
                if table and (found := table.snapshot_by_id(snapshot_id or 0)):
                    return int(found.timestamp_ms)
            raise UnknownSnapshotError(
                f"no table of the lake has a snapshot {snapshot_id}, or it is kept no longer",
                where="as_of",
                mend="Name a snapshot that a recent answer named, or a time.",
            )


def _where(sought: Sought, span: Span, time_column: str) -> "Where":
    from catalog.snapshot_files import Where

    return Where(sought.tenant, *span, frozenset(sought.metrics), time_column)


def _metrics(sought: Sought) -> frozenset[str] | None:
    named = (metric for metrics in sought.metrics.values() for metric in metrics)
    return None if sought.any_metric else frozenset(named)


def _as_panes(start_ms: "np.ndarray[tuple[int], np.dtype[np.int64]]", numbers: dict[str, Panes]) -> Panes:
    panes = np.empty(len(start_ms), PANE)
    panes["start_ms"] = start_ms
    for name, column in numbers.items():
        panes[name] = column
    return panes


def _source(name: str, snapshot: "Snapshot") -> Source:
    return Source(name, snapshot.snapshot_id, snapshot.timestamp_ms)


def _until_ms(table: "Table | None", snapshot: "Snapshot | None", where: "Where") -> int:
    """Return where what the archive may hold of the devices ends."""
    from catalog.snapshot_files import planned

    if table is None or snapshot is None:
        return where.from_ms
    ends = [file.span.until_ms for file in planned(table, snapshot, where)]
    end_ms = max(ends, default=where.from_ms - 1)
    return where.to_ms if isinf(end_ms) else min(int(end_ms) + 1, where.to_ms)


def _split(span: Span, cold_until_ms: int, sources: list[Source]) -> list[Stretch]:
    """Return the cold stretch, in which late rows may still be warm, and the warm one."""
    cut = max(span.from_ms, cold_until_ms)
    both = tuple(sorted(sources, key=lambda one: one.table != COLD))
    warm = tuple(one for one in sources if one.table == WARM)
    stretches = [Stretch("cold", Span(span.from_ms, cut), both), Stretch("warm", Span(cut, span.to_ms), warm)]
    return [stretch for stretch in stretches if stretch.span.width_ms]
