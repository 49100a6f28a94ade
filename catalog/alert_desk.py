"""What people see of alerts and do to them: each act is in the alert's history and in the audit."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from catalog.alert_transitions import ACTIVE
from catalog.outbox import Outbox, Row
from catalog.rule_store import Change
from catalog.statements import statements
from millrace.errors import MillraceError

STATES: Final = ("open", "acknowledged", "cleared", "withdrawn")


class NoSuchAlertError(MillraceError):
    """The tenant has no alert of this id."""


class AlertOverError(MillraceError):
    """What is asked makes sense only while an alert lasts."""


class Wanted(NamedTuple):
    """Which alerts; None means any. Onset in [from_ms, to_ms), event time."""

    from_ms: int
    to_ms: int
    states: Sequence[str] = STATES
    shadows: Sequence[bool] = (False,)
    severity: str | None = None
    rule: str | None = None
    device: str | None = None
    site: str | None = None


class Place(NamedTuple):
    """Where a page ended."""

    onset_ms: int
    alert_id: str


class Story(NamedTuple):
    """All there is about one alert, each list in the order in which it came."""

    alert: Row
    definition: dict[str, Any] | None
    history: Sequence[Row]
    comments: Sequence[Row]
    notifications: Sequence[Row]


class AlertDesk:
    """One tenant's alerts; each act is a transaction, which waits for the stream's on the same alert."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    def alerts(self, wanted: Wanted, limit: int, after: Place | None = None) -> list[Row]:
        """Return alerts, the newest onset first, from behind `after`."""
        place = after or Place(wanted.to_ms, "")
        asked = wanted._asdict() | {"states": list(wanted.states), "shadows": list(wanted.shadows)}
        return self._rows("list", **asked, after_ms=place.onset_ms, after_id=place.alert_id, limit=limit)

    def alert(self, alert_id: str) -> Row:
        """Return one alert; NoSuchAlertError."""
        found = self._rows("get", alert_id=alert_id)
        if not found:
            raise NoSuchAlertError(
                f"tenant {self._tenant!r} has no alert {alert_id!r}",
                where="alert_id",
                mend="GET /alerts or `millrace alerts list` shows those there are.",
            )
        return found[0]

    def story(self, alert_id: str) -> Story:
        """Return an alert with the rule as it was and all that happened to it; NoSuchAlertError."""
        alert = self.alert(alert_id)
        rule = self._rows("definition", rule=alert["rule"], rule_version=alert["rule_version"])
        return Story(
            alert,
            rule[0]["definition"] if rule else None,
            self._rows("history", alert_id=alert_id),
            self._rows("comments", alert_id=alert_id),
            self._rows("notifications", alert_id=alert_id),
        )

    def acknowledge(self, alert_id: str, change: Change) -> Row:
        """Say that somebody takes care, which ends escalation; the first one counts. AlertOverError."""
        with self._locked(alert_id) as alert:
            if alert["state"] != "acknowledged":
                self._must_last(alert)
                self._do("acknowledge", alert_id, change)
                self._note(alert_id, "acknowledged", change, {})
        return self.alert(alert_id)

    def clear(self, alert_id: str, change: Change) -> Row:
        """End an alert by hand; it stays so even while its condition lasts. Nothing when it is over."""
        with self._locked(alert_id) as alert:
            if alert["state"] in ACTIVE:
                self._do("clear", alert_id, change)
                self._note(alert_id, "cleared", change, {})
                outbox = Outbox(self._connection, change.at)
                outbox.end(self.alert(alert_id))
                outbox.finish()
        return self.alert(alert_id)

    def assign(self, alert_id: str, assignee: str | None, change: Change) -> Row:
        """Give an alert to somebody, or with None to nobody."""
        with self._locked(alert_id) as alert:
            if alert["assignee"] != assignee:
                self._do("assign", alert_id, change, assignee=assignee)
                self._note(alert_id, "assigned", change, {"assignee": assignee})
        return self.alert(alert_id)

    def snooze(self, alert_id: str, until: datetime | None, change: Change) -> Row:
        """Tell nobody of an alert before a time, except that it is over; None ends it. AlertOverError."""
        with self._locked(alert_id) as alert:
            if alert["snoozed_until"] != until:
                self._must_last(alert)
                self._do("snooze", alert_id, change, until=until)
                self._note(alert_id, "snoozed", change, {"until": until and until.isoformat()})
        return self.alert(alert_id)

    def comment(self, alert_id: str, body: str, change: Change) -> Row:
        """Add a comment and return it."""
        with self._locked(alert_id):
            comment_id = self._rows("comment", alert_id=alert_id, body=body, **change._asdict())[0][
                "comment_id"
            ]
            self._note(alert_id, "commented", change, {"comment_id": comment_id})
        return next(c for c in self._rows("comments", alert_id=alert_id) if c["comment_id"] == comment_id)

    def audit(
        self,
        *,
        before: int,
        limit: int,
        actor: str | None = None,
        subject_kind: str | None = None,
        subject: str | None = None,
    ) -> list[Row]:
        """Return who changed what, newest first, from behind number `before`."""
        asked = {"actor": actor, "subject_kind": subject_kind, "subject": subject}
        return self._rows("read_audit", before=before, limit=limit, **asked)

    @contextmanager
    def _locked(self, alert_id: str) -> Iterator[Row]:
        with self._connection.transaction():
            self._rows("lock", alert_id=alert_id)
            yield self.alert(alert_id)

    def _must_last(self, alert: Row) -> None:
        if alert["state"] not in ACTIVE:
            raise AlertOverError(
                f"alert {alert['alert_id']} is {alert['state']} already",
                where="state",
                mend="It can still be assigned and commented on.",
            )

    def _do(self, name: str, alert_id: str, change: Change, **values: Any) -> None:
        asked = {"tenant": self._tenant, "alert_id": alert_id, **change._asdict(), **values}
        self._connection.execute(statements("alert_desk")[name], asked)

    def _note(self, alert_id: str, action: str, change: Change, detail: dict[str, Any]) -> None:
        at_ms = round(change.at.timestamp() * 1000)
        for name in ("note", "audit"):
            self._do(name, alert_id, change, action=action, detail=Jsonb(detail), at_ms=at_ms)

    def _rows(self, name: str, **values: Any) -> list[Row]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            asked = {"tenant": self._tenant, **values}
            return list(cursor.execute(statements("alert_desk")[name], asked))
