"""Recomputes sessions that late readings touched, and publishes those that differ."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
from pyiceberg.table import Table

from jobs.corrections.lake_writes import append
from jobs.corrections.memory import Memory
from jobs.corrections.session_reads import DeviceTerms, Range, due_ranges, sessions_in, told_sessions
from jobs.corrections.shares import Share, shares
from udfs.session_corrections import Terms, Told, Touched, correct, parts_around

_TIME = pa.timestamp("us", "UTC")


class Devices(NamedTuple):
    """What others know of devices by `tenant/device_id`: their terms, and since when a session is open."""

    terms: Callable[[Collection[str]], Mapping[str, DeviceTerms]]
    open_since_ms: Callable[[Collection[str]], Mapping[str, int]]


class SessionTables(NamedTuple):
    """Where readings are and sessions go."""

    readings: Table
    sessions: Table


class SessionRepair:
    """One pass over the ranges whose turn it is."""

    def __init__(self, memory: Memory, tables: SessionTables, devices: Devices, final_ms: int) -> None:
        self._memory = memory
        self._tables = tables
        self._devices = devices
        self._final_ms = final_ms

    def run(self, now_ms: int, most_batches: int) -> int:
        """Make ranges right, `most_batches` of each share; return how many rows were published."""
        return sum(self._run(share, now_ms, most_batches) for share in shares(self._final_ms))

    def _run(self, share: Share, now_ms: int, most_batches: int) -> int:
        published = 0
        oldest: Range | None = None
        for _ in range(most_batches):
            ranges = due_ranges(self._memory, share, oldest, self._final_ms, now_ms)
            if not ranges:
                break
            oldest = max(ranges, key=lambda one: (-one.hour_ms, *one.place[:2]))
            published += self._correct(ranges)
        return published

    def _correct(self, ranges: Sequence[Range]) -> int:
        owners = {one.owner for one in ranges}
        terms = self._devices.terms(owners)
        due = self._closed(ranges, terms, self._devices.open_since_ms(owners))
        changes, waiting = self._compare(due, terms) if due else ([], {})
        if changes:
            append(self._tables.sessions, _as_rows(changes))
        open_ = set(ranges) - set(due)
        with self._memory.whole():
            self._settle(due, waiting, terms)
            self._postpone(open_)
            self._memory.count("sessions_corrected", len(changes))
            self._memory.count("sessions_superseded", sum(told.superseded for _, told in changes))
        return len(changes)

    def _closed(
        self, ranges: Sequence[Range], terms: Mapping[str, DeviceTerms], open_since_ms: Mapping[str, int]
    ) -> list[Range]:
        """Leave out what lies in a session that is still open: the stream has yet to tell it."""
        return [
            one
            for one in ranges
            if one.owner not in open_since_ms
            or one.touched.last_ms + terms[one.owner].offline_after_ms < open_since_ms[one.owner]
        ]

    def _compare(
        self, ranges: Sequence[Range], terms: Mapping[str, DeviceTerms]
    ) -> tuple[list[tuple[str, Told]], dict[tuple[str, Touched], int]]:
        told = told_sessions(self._memory, self._tables.sessions, ranges, terms)
        touched: dict[str, list[Touched]] = defaultdict(list)
        for one in ranges:
            touched[one.owner].append(one.touched)
        parts = [
            (owner, part)
            for owner, stretches in touched.items()
            for part in parts_around(stretches, told[owner], terms[owner].offline_after_ms)
        ]
        spans = [(owner, part.span) for owner, part in parts]
        found = sessions_in(self._memory, self._tables.readings, spans, terms)
        changes: list[tuple[str, Told]] = []
        waiting: dict[tuple[str, Touched], int] = {}
        for (owner, part), sessions in zip(parts, found, strict=True):
            outcome = correct(part, sessions, self._terms(terms[owner]))
            changes += [(owner, one) for one in outcome.told]
            waiting |= {(owner, one): until_ms for one, until_ms in outcome.waiting.items()}
        return changes, waiting

    def _terms(self, device: DeviceTerms) -> Terms:
        return Terms(device.site, device.profile, device.offline_after_ms, self._final_ms)

    def _settle(
        self,
        due: Sequence[Range],
        waiting: Mapping[tuple[str, Touched], int],
        terms: Mapping[str, DeviceTerms],
    ) -> None:
        right = [one for one in due if (one.owner, one.touched) not in waiting]
        others = [one for one in due if (one.owner, one.touched) in waiting]
        until_ms = [waiting[one.owner, one.touched] for one in others]
        more = [
            0 if until else terms[one.owner].offline_after_ms
            for one, until in zip(others, until_ms, strict=True)
        ]
        table = _range_table(others).append_column("until_ms", pa.array(until_ms, pa.int64()))
        self._memory.give("settled_range", _range_table(right))
        self._memory.give("unsettled_range", table.append_column("more_ms", pa.array(more, pa.int64())))
        self._memory.run("settle_ranges")

    def _postpone(self, ranges: Collection[Range]) -> None:
        self._memory.give("open_range", _range_table(ranges))
        self._memory.run("postpone_ranges", final_ms=self._final_ms)


def _range_table(ranges: Collection[Range]) -> pa.Table:
    return pa.table(
        {
            "tenant": pa.array([one.place[0] for one in ranges], pa.string()),
            "device_id": pa.array([one.place[1] for one in ranges], pa.string()),
            "hour_ms": pa.array([one.hour_ms for one in ranges], pa.int64()),
        }
    )


def _as_rows(changes: Sequence[tuple[str, Told]]) -> pa.Table:
    owners = [owner.partition("/") for owner, _ in changes]
    told = [one for _, one in changes]
    return pa.table(
        {
            "tenant": [tenant for tenant, _, _ in owners],
            "device_id": [device_id for _, _, device_id in owners],
            "session_start": pa.array([one.start_ms * 1_000 for one in told], pa.int64()).cast(_TIME),
            "session_end": pa.array([one.end_ms * 1_000 for one in told], pa.int64()).cast(_TIME),
            "readings": pa.array([one.readings for one in told], pa.int64()),
            "gaps": pa.array([one.gaps for one in told], pa.int32()),
            "battery_min": pa.array([one.battery_min for one in told], pa.float64()),
            "battery_max": pa.array([one.battery_max for one in told], pa.float64()),
            "signal_min": pa.array([one.signal_min for one in told], pa.float64()),
            "signal_max": pa.array([one.signal_max for one in told], pa.float64()),
            "site": [one.site for one in told],
            "profile": [one.profile for one in told],
            "late_count": pa.array([one.late for one in told], pa.int64()),
            "revision": pa.array([one.revision for one in told], pa.int32()),
            "superseded": [one.superseded for one in told],
        }
    )
