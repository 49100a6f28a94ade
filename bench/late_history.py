"""How fast imported history is judged by rules, and whether fresh work waits: `python -m bench.late_history`.

One recorded air-quality station (35,000 hourly rows) is imported as late readings beside five rules; the
corrector passes over it on a lake of its own in a temporary folder.
"""

import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any, Final

import typer

from bench.air_quality_lake import DATASET, TENANT, recorded_readings
from bench.replay_trial import data_folder
from catalog.rule_store import StoredRule
from tests.integration.corrected_lake import NO_RULES, CorrectedLake, Reading
from udfs.rules.alerts import AlertChange

HOUR_MS: Final = 3_600_000
CONDITIONS: Final[dict[str, dict[str, Any]]] = {
    "dust": {
        "kind": "threshold", "metric": "pm2_5_ugm3", "raise_above": 150, "clear_below": 115, "for_s": 21_600,
    },
    "ozone": {"kind": "count_in_window", "metric": "o3_ugm3", "above": 200, "times": 3, "within_s": 21_600},
    "pressure": {"kind": "rate_of_change", "metric": "pressure_hpa", "per_s": 3600, "above": 3},
    "hot": {"kind": "threshold", "metric": "temperature_c", "raise_above": 35},
    "calm": {
        "kind": "sequence",
        "steps": [
            {"as": "calm", "metric": "wind_speed_mps", "below": 0.5},
            {"as": "dust", "metric": "pm2_5_ugm3", "above": 100},
        ],
        "within_s": 21_600,
    },
}  # fmt: skip


def rules() -> list[StoredRule]:
    """Return the rules as the registry has them."""
    fields: dict[str, Any] = dict.fromkeys(StoredRule._fields)
    made = []
    for name, when in CONDITIONS.items():
        definition = {"rule": name, "when": when, "notify": ["ops"]}
        known = {"tenant": TENANT, "rule": name, "version": 1, "state": "enabled", "definition": definition}
        made.append(StoredRule(**(fields | known)))
    return made


def main(rows: int = 35_000, seconds: float = 60.0, station: str = "Aotizhongxin") -> None:
    """Import, then let the corrector pass until all is judged or the time is over."""
    told: list[AlertChange] = []
    sources = NO_RULES._replace(rules=lambda _: rules(), tell=told.extend)
    [path] = (data_folder() / DATASET).glob(f"{station}*")
    with tempfile.TemporaryDirectory() as folder:
        lake = CorrectedLake(Path(folder), alerts=sources)
        found = [
            Reading(one.device_id, f"{one.row}", one.time_ms, dict(one.metrics), "late")
            for one in islice(recorded_readings([path]), rows)
        ]
        lake.store(found)
        lake.watermark_ms = found[-1].event_time_ms + 400 * 24 * HOUR_MS
        now_ms = lake.watermark_ms
        report = lake.settle(now_ms)
        hours = report.pending_alert_hours + report.late_hours_judged
        began_s, passes = time.monotonic(), 0
        while report.pending_alert_hours and time.monotonic() - began_s < seconds:
            now_ms, passes = now_ms + 31_000, passes + 1
            report = lake.pass_once(now_ms)
        taken_s = time.monotonic() - began_s
        judged = hours - report.pending_alert_hours
        raised = sum(change.kind == "raised" for change in told)
        typer.echo(
            f"{judged:,} of {hours:,} hours judged in {passes} passes and {taken_s:.1f} s: "
            f"{judged / taken_s:,.0f} hours/s working; with 10 s between passes "
            f"{judged / (taken_s + 10 * passes):,.1f}; {raised} alerts raised"
        )
        lake.close()


if __name__ == "__main__":
    typer.run(main)
