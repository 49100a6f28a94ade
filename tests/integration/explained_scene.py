"""A tenant with a hot pump: an hour of usual readings, the onset in disorder, and alerts a test raises."""

from datetime import datetime
from typing import Any

from catalog.alert_transitions import Kind, Lifecycle
from catalog.migrations import connect
from catalog.outbox import RuleBook
from tests.integration.alert_services import alert_id, at, said
from tests.integration.backtest_world import Row, World

HOUR_S = 3_600
EVIDENCE = {"metric": "temperature_c", "value": 95.0, "limit": 90.0}
RAISED = at(100)
# Onset at second 0: an hour of every 30 s before, ten minutes after.
BEFORE = range(-HOUR_S, 0, 30)


class Scene(World):
    """A tenant with a hot pump, its neighbours, and the alerts a test raises."""

    def raise_alert(
        self,
        device: str = "pump-1",
        onset_s: float = 0,
        kind: Kind = "raised",
        now: datetime = RAISED,
        **more: Any,
    ) -> str:
        told = said(
            self.tenant, kind, device, at_s=onset_s + more.pop("after_s", 60), onset_s=onset_s, **more
        )
        with connect(self.config) as connection:
            Lifecycle(connection, RuleBook(connection), now).take([told._replace(evidence=EVIDENCE)])
        return alert_id(f"{self.tenant}/{device}", onset_s)

    def explain(self, of: str, status: int = 200, **asked: Any) -> Any:
        return self.ask("GET", f"/alerts/{of}/explanation", status, params=asked)


def usual(device: str) -> list[Row]:
    """An hour in which each metric varies a little, and one not at all."""
    return [
        Row(device, second, {
            "temperature_c": 20 + place * 7 % 11 / 10, "vibration_mm_s": 2 + place * 5 % 7 / 10, "valve": 1.0,
        })
        for place, second in enumerate(BEFORE)
    ]  # fmt: skip


def from_onset(device: str, temperature_c: float, valve: float = 1.0) -> list[Row]:
    return [
        Row(
            device,
            second,
            {"temperature_c": temperature_c + second / 600, "vibration_mm_s": 2.2, "valve": valve},
        )
        for second in range(0, 600, 30)
    ]


# As it was measured pump-1 is hot from 0 on. It came out of order, the row at 90 s late, that at 120 s twice:
# the duplicate says what would be the most striking value of all.
DISORDER = [row._replace(mark="late" if row.at_s == 90 else "on_time") for row in from_onset("pump-1", 95)][
    ::-1
]
DUPLICATE = [Row("pump-1", 120.001, {"temperature_c": 1e6, "valve": 7.0}, "duplicate")]
