"""How much late work waits, from the file that the corrector leaves in the stack's folder."""

from pathlib import Path
from typing import Final

from api.answers import CorrectionFigures, QueueFigures
from catalog.corrections_report import read_report

# After a pass the corrector rests two minutes at most, and a pass takes about one.
STALE_AFTER_MS: Final = 600_000


def correction_figures(path: Path, now_ms: int) -> CorrectionFigures:
    """Return the queues as of the newest pass; one too old or absent is unavailable."""
    report = read_report(path)
    if report is None:
        return CorrectionFigures(state="unavailable", reason="the corrector has not made a pass yet")
    age_ms = now_ms - report.at_ms
    if age_ms > STALE_AFTER_MS:
        reason = f"the corrector made its last pass {age_ms // 1000} s ago"
        return CorrectionFigures(state="unavailable", reason=reason)
    queues = [QueueFigures(**queue._asdict()) for queue in report.queues]
    return CorrectionFigures(state="ok", age_ms=age_ms, queues=queues)
