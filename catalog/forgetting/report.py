"""The report of a forgotten device: what was found and what is left, store by store."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from catalog.forgetting.hot_store import HotForgotten
from catalog.forgetting.lake_store import TableForgotten
from catalog.forgetting.log_store import LogForgotten
from catalog.forgetting.owner import Owner
from catalog.forgetting.registry_store import RegistryForgotten
from millrace.clock import to_iso

# What no store shows and no call can take away at once.
_ELSEWHERE = (
    "State of running jobs keeps the device until its timers pass; savepoints and checkpoints of them until "
    "newer ones replace them.",
    "The corrector keeps times that wait for correction until they are corrected, seven days at most.",
    "Dead letters without a device, of its tenant or of none, whose bytes name it went whole, with what they "
    "held of others. A name that is cut, escaped, encrypted or in UTF-16 was not found there.",
    "Dead letters of other devices stay theirs, also where their bytes name this one.",
    "Texts that people wrote (rules that name the device, sites, logs of processes) are left to people.",
    "A device that goes on sending is known again with its next reading.",
)


class Report(NamedTuple):
    """Everything that was done to forget a device; times are UTC epoch milliseconds."""

    owner: Owner
    began_ms: int
    ended_ms: int
    registry: RegistryForgotten
    log: LogForgotten
    lake: list[TableForgotten]
    hot: HotForgotten

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left in any store but what topics keep for a while."""
        return self.registry.is_clean and self.hot.is_clean and all(one.is_clean for one in self.lake)

    def as_json(self) -> dict[str, Any]:
        """Return plain values, the verdict first."""
        return {
            "forgotten": self.is_clean,
            "tenant": self.owner.tenant,
            "device_id": self.owner.device_id,
            "began_at": to_iso(self.began_ms),
            "ended_at": to_iso(self.ended_ms),
            "postgres": self.registry._asdict(),
            "redis": {"keys_before": self.hot.before, "keys_after": self.hot.after},
            "iceberg": [one._asdict() for one in self.lake],
            "kafka": {
                "tombstones": [one._asdict() for one in self.log.tombstones],
                "kept_until": {one.topic: to_iso(one.until_ms) for one in self.log.kept},
            },
            "elsewhere": list(_ELSEWHERE),
        }


def write_report(folder: Path, report: Report) -> Path:
    """Write a report beside earlier ones and return where it lies."""
    folder.mkdir(parents=True, exist_ok=True)
    moment = to_iso(report.began_ms).replace(":", "")
    path = folder / f"{report.owner.tenant}-{report.owner.device_id}-{moment}.json"
    path.write_text(json.dumps(report.as_json(), indent=2) + "\n")
    return path
