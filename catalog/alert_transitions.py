"""What the stream says of alerts, taken into PostgreSQL, and what becomes of them with time and with rules.

All of it joins the caller's transaction. The same record again changes nothing, and of one alert the last
record counts: a replay of the stream ends where the stream was.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from catalog.outbox import Outbox, Recipients, Row, RuleBook
from catalog.statements import statements

Kind = Literal["raised", "escalated", "downgraded", "updated", "cleared", "withdrawn"]
SEVERITIES: Final = ("info", "warning", "critical")
ACTIVE: Final = ("open", "acknowledged")
MOST_AT_ONCE: Final = 500


class Transition(NamedTuple):
    """A record of topic `alerts`; times are event times in milliseconds."""

    alert_id: str
    tenant: str
    device_id: str
    site: str
    rule: str
    rule_version: int
    kind: Kind
    severity: str
    onset_ms: int
    at_ms: int
    shadow: bool
    retroactive: bool
    evidence: dict[str, Any]


class Lifecycle:
    """Changes alerts as the stream, the clock and rules demand, and tells whoever is to be told."""

    def __init__(self, connection: Connection, book: RuleBook, now: datetime) -> None:
        self._connection = connection
        self._book = book
        self._now = now
        self._outbox = Outbox(connection, now)
        self._notes: list[dict[str, Any]] = []

    def take(self, transitions: Iterable[Transition]) -> None:
        """Take what the stream says, in its order."""
        for transition in transitions:
            self._take(transition)
        self._finish()

    def escalate(self) -> int:
        """Tell the escalation channels of alerts nobody acknowledged in time; return how many."""
        due = self._rows("unacknowledged", {"now": self._now, "limit": MOST_AT_ONCE})
        for alert in due:
            recipients = self._book.recipients(alert["tenant"], alert["rule"], alert["rule_version"])
            self._outbox.tell(alert, "unacknowledged", recipients.escalate_to)
            self._note(alert, "unacknowledged", {"told": list(recipients.escalate_to)})
        self._finish()
        return len(due)

    def close_out_of_force(self) -> int:
        """Clear alerts whose rule was disabled or deleted; return how many."""
        closed = self._rows("out_of_force", {"now": self._now, "limit": MOST_AT_ONCE})
        for alert in closed:
            self._note(alert, "cleared", {"cause": f"the rule was {alert['rule_state']}"})
            self._outbox.end(alert)
        self._finish()
        return len(closed)

    def _take(self, one: Transition) -> None:
        recipients = self._book.recipients(one.tenant, one.rule, one.rule_version)
        asked = self._asked(one, recipients)
        before = self._rows("before", asked)
        alert = self._rows("take", asked)[0]
        self._note(alert, one.kind, {"severity": one.severity, "evidence": one.evidence}, one.at_ms)
        if not (one.shadow or one.retroactive):
            self._tell(alert, before[0] if before else None, recipients.notify)

    def _asked(self, one: Transition, recipients: Recipients) -> dict[str, Any]:
        over = one.kind in {"cleared", "withdrawn"}
        patience = None if over or one.shadow or one.retroactive else recipients.escalate_after
        return one._asdict() | {
            "evidence": Jsonb(one.evidence),
            "over": over,
            "withdrawn": one.kind == "withdrawn",
            "cleared_ms": one.at_ms if one.kind == "cleared" else None,
            "now": self._now,
            "escalate_at": None if patience is None else self._now + patience,
        }

    def _tell(self, alert: Row, before: Row | None, notify: tuple[str, ...]) -> None:
        lasted = before if before is not None and before["state"] in ACTIVE else None
        lasts = alert["state"] in ACTIVE
        if lasted is None and lasts:
            if before is not None:
                self._outbox.take_back(alert, "cleared")
            self._outbox.tell(alert, "raised", notify)
        elif lasted is not None and lasts:
            hears_anyway = self._outbox.refresh(alert)
            if SEVERITIES.index(alert["severity"]) > SEVERITIES.index(lasted["severity"]):
                self._outbox.tell(alert, "escalated", [c for c in notify if c not in hears_anyway])
        elif lasted is not None:
            self._outbox.end(alert)

    def _note(self, alert: Row, kind: str, detail: dict[str, Any], at_ms: int | None = None) -> None:
        noted = {
            "tenant": alert["tenant"],
            "alert_id": alert["alert_id"],
            "kind": kind,
            "at_ms": round(self._now.timestamp() * 1000) if at_ms is None else at_ms,
            "actor": "keeper" if at_ms is None else "stream",
            "detail": Jsonb(detail),
            "now": self._now,
        }
        self._notes.append(noted)

    def _finish(self) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(statements("alerts")["note"], self._notes)
        self._notes.clear()
        self._outbox.finish()

    def _rows(self, name: str, asked: dict[str, Any]) -> list[Row]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return list(cursor.execute(statements("alerts")[name], asked))


def consumed(connection: Connection, topic: str) -> dict[int, int]:
    """Return the next offset to read, by partition; a partition nothing was read of is left out."""
    return dict(connection.execute(statements("alerts")["consumed"], {"topic": topic}).fetchall())


def keep_consumed(connection: Connection, topic: str, next_offsets: dict[int, int]) -> None:
    """Remember how far a topic was taken."""
    for partition, next_offset in next_offsets.items():
        asked = {"topic": topic, "partition": partition, "next_offset": next_offset}
        connection.execute(statements("alerts")["consume"], asked)
