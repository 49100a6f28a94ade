"""One replay from options to summary."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from ingest.replay.drive import Driver, Progress
from ingest.replay.mapping import Mapping
from ingest.replay.message import Message, message_maker
from ingest.replay.rows import Record
from ingest.replay.table import FileNotes
from ingest.replay.timeline import Survey, TimeTransform, merged, survey
from ingest.replay.way import Sender
from millrace.clock import to_iso
from millrace.phrases import counted

_REMEMBERED: Final = 100_000
_NAMED: Final = 5
_POLICIES: Final = {
    "keep": "on_conflict keep: what is stored for the same time and metric goes on counting",
    "replace": "on_conflict replace: the corrector lets the last value sent count, within about a minute; "
    "a stored row that measures more than the one sent stays beside it (backfill replaces it)",
    "both": "on_conflict both: other values stored for the same time and metric count too",
}


class Plan(NamedTuple):
    """What is to be replayed, and what a first reading of the files found."""

    files: tuple[Path, ...]
    mapping: Mapping
    limit: int | None
    prefix: str
    found: Survey
    time: TimeTransform
    notes: tuple[str, ...] = ()

    @property
    def to_send(self) -> int:
        """How many readings will be sent."""
        return self.found.rows - (self.found.empty if self.mapping.on_empty == "skip" else 0)


class Summary(NamedTuple):
    """What happened; times in UTC epoch milliseconds, as sent."""

    rows: int
    sent: int
    acknowledged: int
    refused: int
    skipped_empty: int
    out_of_order: int
    seconds: float
    readings_per_s: float
    first_ms: int
    last_ms: int
    origin_ms: int
    start_ms: int
    compress: int
    tag: str
    problem: str
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything was acknowledged."""
        return self.acknowledged == self.rows - self.skipped_empty


def inspect(
    files: tuple[Path, ...], mapping: Mapping, limit: int | None, notes: Sequence[FileNotes] | None = None
) -> Survey:
    """Read all files once, so that a wrong row is told before anything is sent."""
    return survey(merged(files, mapping, limit, notes=notes))


def replay(
    plan: Plan,
    sender: Sender,
    *,
    name_device: bool,
    speed: float | None,
    give_up_after_s: float,
    report: Callable[[Progress], None],
) -> Summary:
    """Send a plan through a sender and wait for its acknowledgements."""
    driver = Driver(sender, speed=speed, give_up_after_s=give_up_after_s, report=report)
    differing = Differing()
    with closing(sender):
        ended = driver.run(_messages(plan, name_device, differing))
        # Closing refuses what is left, which would hide the cause.
        cause = sender.refusal
    stalled = f"nothing was acknowledged for {give_up_after_s:.0f} s" if driver.stalled else ""
    summary = _summary(plan, ended, "; ".join(filter(None, (stalled, cause))))
    return summary._replace(notes=(*plan.notes, *differing.lines(_policy(plan))))


class Differing:
    """Counts rows that have another value than an earlier row for their device, time and metric.

    It remembers the last 100,000 times: rows come in order of time, and those of one time together.
    """

    def __init__(self) -> None:
        self._metrics: dict[tuple[str, int], dict[str, float]] = {}
        self._named: list[str] = []
        self.rows = 0

    def note(self, record: Record) -> None:
        """Take a row into account."""
        if len(self._metrics) > _REMEMBERED:
            self._metrics = {}
        earlier = self._metrics.setdefault((record.device_id, record.time_ms), {})
        if any(earlier.get(name, value) != value for name, value in record.metrics.items()):
            self.rows += 1
            if len(self._named) < _NAMED:
                self._named.append(f"{record.device_id} at {to_iso(record.time_ms)} (row {record.row})")
        earlier.update(record.metrics)

    def lines(self, policy: str) -> list[str]:
        """Say what becomes of them and of other values that are stored already."""
        found = [_POLICIES[policy]]
        if self.rows:
            rows = counted(self.rows, "row")
            found.append(f"{rows} with another value than one before for the time: {', '.join(self._named)}")
        return found


def _policy(plan: Plan) -> str:
    """Return what the replay declares: compressed, several rows may fall on one time and all count."""
    return plan.mapping.on_conflict if plan.time.compress == 1 else "both"


def _messages(plan: Plan, name_device: bool, differing: Differing) -> Iterator[Message]:
    make = message_maker(
        plan.time, plan.prefix, name_device=name_device, on_conflict=plan.mapping.on_conflict
    )
    skip_empty = plan.mapping.on_empty == "skip"
    for record in merged(plan.files, plan.mapping, plan.limit):
        differing.note(record)
        if record.metrics or not skip_empty:
            yield make(record)


def _summary(plan: Plan, ended: Progress, problem: str) -> Summary:
    found, time = plan.found, plan.time
    summary = Summary(
        rows=found.rows,
        sent=ended.sent,
        acknowledged=ended.acknowledged,
        refused=ended.refused,
        skipped_empty=found.rows - plan.to_send,
        out_of_order=found.out_of_order,
        seconds=round(ended.elapsed_s, 3),
        readings_per_s=round(ended.acknowledged / max(ended.elapsed_s, 1e-9), 1),
        first_ms=time.at(found.first_ms),
        last_ms=time.at(found.last_ms),
        origin_ms=time.origin_ms,
        start_ms=time.start_ms,
        compress=time.compress,
        tag=time.tag,
        problem=problem,
        notes=plan.notes,
    )
    return summary._replace(problem="") if summary.complete else summary
