"""What the corrector says of itself: `corrections.json` in the stack's folder, read by CLI and API."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from millrace.settings import Settings

QueueName = Literal["windows", "sessions", "alert_hours"]
QUEUES: Final[tuple[QueueName, ...]] = ("windows", "sessions", "alert_hours")


class Queue(NamedTuple):
    """Work of one kind that waits; `fresh` is that of the last day of event time, which has its own share.

    `lag_ms` is since when the oldest of it waits, 0 = nothing waits.
    """

    queue: QueueName
    share: Literal["fresh", "backlog"]
    waiting: int
    lag_ms: int


class Report(NamedTuple):
    """Figures after a pass. Counts are since the stack began; times are UTC epoch milliseconds.

    `alerts_raised` are retroactive ones; `alerts_followed` are runs of rules in which late readings still
    have an effect. `*_final_ms` is how far (event time) results are published and may be corrected, -1 = not
    known yet. `lag_ms` is since when the oldest late reading waits, 0 = nothing waits.
    """

    state: str
    at_ms: int
    pass_ms: int
    late_readings: int
    minutes_checked: int
    windows_corrected: int
    panes_rewritten: int
    sessions_corrected: int
    sessions_superseded: int
    late_hours_judged: int
    alerts_raised: int
    alerts_followed: int
    pending_minutes: int
    pending_sessions: int
    pending_alert_hours: int
    windows_final_ms: int
    sessions_final_ms: int
    alerts_final_ms: int
    lag_ms: int
    queues: Sequence[Queue] = ()


def as_json(report: Report) -> dict[str, object]:
    """Return a report as JSON holds it."""
    return report._asdict() | {"queues": [queue._asdict() for queue in report.queues]}


def report_file(settings: Settings) -> Path:
    """Return where the newest report lies."""
    return settings.folder / "corrections.json"


def write_report(path: Path, report: Report) -> None:
    """Replace the report whole."""
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps(as_json(report)))
    scratch.replace(path)


def read_report(path: Path) -> Report | None:
    """Return the newest report, None before the first."""
    try:
        fields = json.loads(path.read_text())
        queues = [Queue(**queue) for queue in fields.pop("queues")]
        return Report(**fields, queues=queues)
    except (OSError, ValueError, TypeError, KeyError):
        return None
