"""Devices whose readings come late: history in Iceberg, rules and alerts in PostgreSQL, told by Kafka."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from catalog.alert_transitions import consumed
from catalog.corrections_report import Report
from catalog.migrations import connect
from catalog.rule_store import Change, Entry, RuleStore, State
from jobs.alerts_keeper.keeper import Keeper
from jobs.corrections.alert_rows import alert_rows
from jobs.corrections.alert_sources import AlertSources, alert_sources
from millrace.clock import now_ms
from millrace.contracts import topics
from millrace.settings import Settings
from tests.integration.alert_services import START_MS, at, rows
from tests.integration.corrected_lake import TENANT, CorrectedLake, Reading
from udfs.rules.alerts import AlertChange, alert_id

DAY_MS = 86_400_000
FINAL_MS = START_MS + 40 * DAY_MS
HOT: dict[str, Any] = {"kind": "threshold", "metric": "t", "raise_above": 90}


def read(device: str, at_s: float, value: float, mark: str = "on_time", name: str = "") -> Reading:
    """Return a reading of metric `t`, seconds after the start."""
    time_ms = START_MS + round(at_s * 1000)
    return Reading(device, name or f"{device}-{at_s}-{mark}", time_ms, {"t": value}, mark)


class LatePlant:
    """What the stream wrote, a corrector over it, and the keeper of alerts."""

    def __init__(self, config: Settings, folder: Path, sources: AlertSources | None = None) -> None:
        self.config = config
        self.lake = CorrectedLake(folder, alerts=sources or alert_sources(config))
        self.connection = connect(config)
        self.keeper = Keeper(self.connection, config.address("kafka"), now_ms)
        self.passes = 0

    def close(self) -> None:
        self.lake.close()
        self.connection.close()

    def put(self, name: str, when: dict[str, Any] = HOT, state: State = "enabled", **fields: Any) -> None:
        definition = {"rule": name, "when": when, "notify": ["ops"]} | fields
        RuleStore(self.connection, TENANT).import_rules([Entry(name, state, definition)], Change("ann", at()))
        self.connection.commit()

    def tell_live(
        self, rule: str, device: str, alerts: Sequence[tuple[float, float | None]], crashed: bool = False
    ) -> None:
        """Tell of alerts (onset, cleared), seconds after the start, as the stream does.

        If it `crashed` before its next checkpoint, history knows nothing of them.
        """
        told: list[AlertChange] = []
        for onset_s, cleared_s in alerts:
            onset_ms = START_MS + round(onset_s * 1000)
            raised = AlertChange(
                alert_id(TENANT, rule, device, onset_ms), TENANT, device, "", rule, 1, "raised", "warning",
                onset_ms, onset_ms, False, False, {},
            )  # fmt: skip
            changes = [raised]
            if cleared_s is not None:
                changes.append(raised._replace(kind="cleared", at_ms=START_MS + round(cleared_s * 1000)))
            told += changes
        if not crashed:
            self.lake.append("alert_events", alert_rows(told).to_pylist(), job="alerts")
        alert_sources(self.config).tell(told)
        self.keep()

    def correct(self, until_ms: int = FINAL_MS) -> Report:
        """Let the watermark come to a time, and the corrector do all it can by then."""
        self.lake.watermark_ms = until_ms
        for _ in range(3):
            # A device must have been quiet for a while.
            self.passes += 1
            report = self.lake.settle(FINAL_MS + 31_000 * self.passes)
        return report

    def keep(self) -> None:
        """Let the keeper take all that topic `alerts` holds."""
        with closing(self.keeper.open_log()) as log:
            while sum(consumed(self.connection, "alerts").values()) < self.told():
                self.keeper.step(log)

    def told(self) -> int:
        """Return how many records topic `alerts` holds."""
        consumer = Consumer({"bootstrap.servers": self.config.address("kafka"), "group.id": "look"})
        with closing(consumer):
            places = [TopicPartition("alerts", p) for p in range(topics()["alerts"].partitions)]
            return sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)

    def alerts(self, device: str) -> list[tuple[float, float | None, str, bool]]:
        """Return (onset, cleared, state, retroactive) of what the keeper knows, seconds after the start."""
        self.keep()
        found = rows(
            self.config,
            "SELECT onset_ms, cleared_ms, state, retroactive FROM alert WHERE tenant = %s AND device_id = %s "
            "ORDER BY onset_ms",
            TENANT,
            device,
        )
        return [
            (since(one["onset_ms"]), since(one["cleared_ms"]), one["state"], one["retroactive"])
            for one in found
        ]

    def messages(self, device: str) -> int:
        """Return how many messages the outbox owes for a device's alerts."""
        (row,) = rows(
            self.config,
            "SELECT count(*) AS n FROM notification_alert AS m JOIN alert AS a USING (tenant, alert_id) "
            "WHERE a.tenant = %s AND a.device_id = %s",
            TENANT,
            device,
        )
        return int(row["n"])

    def events(self, device: str) -> list[tuple[str, float, bool]]:
        """Return (kind, at, retroactive) of a device's rows in iot.alert_events."""
        found = self.lake.rows("alert_events").query("device_id == @device").to_dict("records")
        told = [
            (row["kind"], since(round(row["at"].timestamp() * 1000)), row["retroactive"]) for row in found
        ]
        return sorted(told, key=lambda row: row[1])

    def store(self, readings: Sequence[Reading]) -> None:
        self.lake.store(readings)


def since(time_ms: int | None) -> Any:
    return None if time_ms is None else (time_ms - START_MS) / 1000
