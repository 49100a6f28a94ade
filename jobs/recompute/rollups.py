"""Recomputes rollups onto a branch, and publishes them in one commit."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

import pandas as pd
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.expressions import BooleanExpression, EqualTo, GreaterThanOrEqual, LessThan
from pyiceberg.table import Table

from catalog.branch import Branch, branch_of
from catalog.filters import every, moment, predicate
from catalog.table_types import concat_rows
from jobs.corrections.memory import Memory
from jobs.corrections.window_repair import PutPanes
from jobs.recompute.asked import Asked
from jobs.recompute.windows import DayDifference, Tally, WindowSources, window_changes, windows_at
from millrace.errors import MillraceError

_log = logging.getLogger("millrace.recompute")
_WRITER: Final = "recompute"
_PLANS: Final = 3


class Plan(NamedTuple):
    """Which rollups are recomputed from what, and how.

    `remove_gone`: windows for which there is no reading any more are removed; else they are only counted. The
    hot tier keeps panes since `kept_since_ms`.
    """

    sources: WindowSources
    asked: Asked
    remove_gone: bool
    kept_since_ms: int


class Staged(NamedTuple):
    """What differs from what is published, on a branch; counts by device and day, panes for the hot tier."""

    branch: Branch
    differs: Sequence[DayDifference]
    panes: Sequence[pd.DataFrame]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be published."""
        return self.branch.is_unchanged


def differences(memory: Memory, plan: Plan) -> list[DayDifference]:
    """Return what differs from what is published; nothing is written."""
    tally = Tally()
    for one in window_changes(memory, plan.sources, plan.asked, plan.kept_since_ms):
        tally.take(one)
    return tally.differences()


@contextmanager
def staged(memory: Memory, plan: Plan, name: str) -> Iterator[Staged]:
    """Write what differs onto a branch, which is dropped at the end."""
    with branch_of(plan.sources.rollups, name, _WRITER) as branch:
        tally, panes, gone = Tally(), [], []
        for one in window_changes(memory, plan.sources, plan.asked, plan.kept_since_ms):
            tally.take(one)
            panes.append(one.panes)
            gone.append(one.gone)
            if one.changed.num_rows:
                branch.append(one.changed)
        if plan.remove_gone and sum(one.num_rows for one in gone):
            branch.remove(windows_at(concat_rows(gone, gone[0].schema)))
        yield Staged(branch, tally.differences(), [one for one in panes if len(one)])


def publish(found: Staged, plan: Plan, put_panes: PutPanes) -> bool:
    """Publish a branch; False when what it compared with was changed meanwhile: then it must be planned anew.

    The caller has the turn at writing corrections, so that nobody changes it in between. The lake first, the
    hot tier next: cut off in between, it keeps what it had for the rest of its day.
    """
    rollups = plan.sources.rollups
    rollups.refresh()
    if touched_since(rollups, found.branch.base_id, plan.asked):
        return False
    try:
        snapshot_id = found.branch.publish()
    except (ValidationException, CommitFailedException) as error:
        _log.info("must be planned anew: %s", error)
        return False
    _log.info("published snapshot %d", snapshot_id)
    for panes in found.panes:
        put_panes(panes)
    return True


def touched_since(rollups: Table, base_id: int, asked: Asked) -> bool:
    """Tell whether windows of these devices and times were appended after a snapshot, or may have been."""
    newest = rollups.current_snapshot()
    if newest is None or newest.snapshot_id == base_id:
        return False
    if rollups.snapshot_by_id(base_id) is None:
        return True
    rows = rollups.incremental_append_scan(
        row_filter=_windows_of(asked),
        selected_fields=("device_id",),
        from_snapshot_id_exclusive=base_id,
        to_snapshot_id_inclusive=newest.snapshot_id,
    ).to_arrow()
    return not set(asked.devices).isdisjoint(rows["device_id"].unique().to_pylist())


def _windows_of(asked: Asked) -> BooleanExpression:
    return every(
        [
            predicate(EqualTo, "tenant", asked.tenant),
            predicate(GreaterThanOrEqual, "window_start", moment(asked.from_ms)),
            predicate(LessThan, "window_start", moment(asked.to_ms)),
        ]
    )


def recompute_rollups(memory: Memory, plan: Plan, name: str, put_panes: PutPanes) -> list[DayDifference]:
    """Compute and publish without asking; anew while others change the same windows, a few times.

    The caller has the turn at writing corrections. MillraceError when others do not cease.
    """
    for attempt in range(_PLANS):
        plan.sources.rollups.refresh()
        with staged(memory, plan, f"{name}-{attempt}") as found:
            if found.is_empty or publish(found, plan, put_panes):
                return list(found.differs)
    raise MillraceError(
        f"the windows were changed by others {_PLANS} times while they were recomputed",
        where="iot.rollups_1m",
        mend="Ask for a smaller span, or try again later.",
    )
