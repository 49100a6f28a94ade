"""The newest look of the conservation ledger, from the file its writer leaves in the stack's folder."""

import json
from pathlib import Path
from typing import Any

from api.answers import LedgerFigures, LedgerReason
from millrace.clock import age_ms, to_iso

LEDGER_FILE = "ledger.json"
# The writer looks every half minute; older than this it does not look any more.
STALE_AFTER_MS = 180_000
_SAME = (
    "balanced",
    "accepted",
    "stored",
    "on_time",
    "late",
    "duplicate",
    "replaced",
    "missing",
    "behind",
    "repeated",
    "dead_letters",
)


def ledger_figures(path: Path, now_ms: int) -> LedgerFigures:
    """Return what the last look found; one too old or absent is unavailable."""
    try:
        found = json.loads(path.read_text())
        figures = _figures(found, now_ms)
    except (OSError, ValueError, KeyError):
        return LedgerFigures(state="unavailable", reason="the ledger has not been taken yet")
    if now_ms - found["taken_at_ms"] > STALE_AFTER_MS:
        seconds = (now_ms - found["taken_at_ms"]) // 1000
        return LedgerFigures(state="unavailable", reason=f"the ledger was last taken {seconds} s ago")
    return figures


def _figures(found: dict[str, Any], now_ms: int) -> LedgerFigures:
    windows, gateways = found["rollups"], found["gateways"]
    return LedgerFigures(
        state="ok",
        taken_at=to_iso(found["taken_at_ms"]),
        taken_at_ms=found["taken_at_ms"],
        age_ms=age_ms(found["taken_at_ms"], now_ms),
        accounted=gateways["accounted"],
        direct=gateways["direct"],
        unaccounted=gateways["unaccounted"],
        expected_points=windows["expected"],
        rollup_points=windows["found"],
        windows_open=windows["open"],
        windows_pending=windows["pending"],
        windows_wrong=windows["wrong"],
        dead_letter_reasons={
            name: LedgerReason(**sides) for name, sides in found["dead_letter_reasons"].items()
        },
        findings=[finding["says"] for finding in found["findings"]],
        **{name: found[name] for name in _SAME},
    )
