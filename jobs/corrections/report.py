"""What the corrector says of itself: `corrections.json` in the stack's folder, read by CLI and API."""

import json
from pathlib import Path
from typing import NamedTuple

from millrace.settings import Settings


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


def report_file(settings: Settings) -> Path:
    """Return where the newest report lies."""
    return settings.folder / "corrections.json"


def write_report(path: Path, report: Report) -> None:
    """Replace the report whole."""
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps(report._asdict()))
    scratch.replace(path)


def read_report(path: Path) -> Report | None:
    """Return the newest report, None before the first."""
    try:
        return Report(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
