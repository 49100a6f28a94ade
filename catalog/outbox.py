"""Who is told of an alert, each once: written in the transaction that changes the alert."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from psycopg import Connection
from psycopg.rows import dict_row

from catalog.statements import statements

Reason = Literal["raised", "escalated", "unacknowledged", "cleared"]
Row = Mapping[str, Any]
# A message this near to being sent takes nobody in: a notifier's clock may be ahead of ours.
_CLOSED_BEFORE: Final = timedelta(seconds=1)
MOST_LISTED: Final = 20
_MOST_KNOWN: Final = 10_000


class Recipients(NamedTuple):
    """Whom a version of a rule tells, by the names of channels."""

    notify: tuple[str, ...] = ()
    escalate_to: tuple[str, ...] = ()
    escalate_after: timedelta | None = None


class RuleBook:
    """The recipients of rule versions, which never change once there are any."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, str, int], Recipients] = {}

    def recipients(self, tenant: str, rule: str, version: int) -> Recipients:
        """Return whom a version tells; nobody when there is no such version."""
        key = (tenant, rule, version)
        if key not in self._known:
            found = self._read(key)
            if found is None:
                return Recipients()
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[key] = found
        return self._known[key]

    def _read(self, key: tuple[str, str, int]) -> Recipients | None:
        asked = dict(zip(("tenant", "rule", "version"), key, strict=True))
        cursor = self._connection.cursor(row_factory=dict_row)
        row = cursor.execute(statements("alerts")["recipients"], asked).fetchone()
        if row is None:
            return None
        after_s = row["escalate_after_s"]
        return Recipients(
            notify=tuple(row["notify"] or ()),
            escalate_to=tuple(row["escalate_to"] or ()),
            escalate_after=None if after_s is None else timedelta(seconds=after_s),
        )


class Outbox:
    """The messages one transaction makes or changes; `finish` writes down what they say."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._touched: set[int] = set()

    def tell(self, alert: Row, reason: Reason, channels: Iterable[str]) -> None:
        """Tell channels of an alert, together with others of its rule and site; once for each reason.

        Each channel gathers for its own `group_wait_s`. A snoozed alert is told at the end of its snooze,
        except that it is over.
        """
        wanted = list(channels)
        if not wanted:
            return
        asked = {name: alert[name] for name in ("tenant", "alert_id", "rule", "site", "severity")} | {
            "reason": reason,
            "channels": wanted,
            "now": self._now,
            "snoozed_until": None if reason == "cleared" else alert["snoozed_until"],
            "join_from": self._now + _CLOSED_BEFORE,
        }
        self._touched |= {row[0] for row in self._run("tell", asked)}

    def refresh(self, alert: Row) -> set[str]:
        """Let messages that were not sent yet say how the alert is now; return who hears of it that way."""
        messages = self._run("messages", _name(alert))
        waiting = self._waiting(messages)
        self._touched |= waiting
        self._hasten(alert, waiting)
        return {channel for notification_id, _, channel in messages if notification_id in waiting}

    def end(self, alert: Row) -> None:
        """Tell whoever was told of an alert that it is over; a message that still waits says it itself."""
        messages = self._run("messages", _name(alert))
        waiting = self._waiting(messages)
        untrue = alert["state"] == "withdrawn"
        self._leave(
            alert, [m[0] for m in messages if m[0] in waiting and (untrue or m[1] in _ONLY_WHILE_OPEN)]
        )
        self._touched |= waiting
        self.tell(alert, "cleared", sorted({m[2] for m in messages if m[0] not in waiting}))

    def take_back(self, alert: Row, reason: Reason) -> None:
        """Take an alert out of messages that were not sent yet."""
        messages = [message for message in self._run("messages", _name(alert)) if message[1] == reason]
        waiting = self._waiting(messages)
        self._leave(alert, list(waiting))
        self._touched |= waiting

    def finish(self) -> None:
        """Write what the messages say, and drop those that have nothing left to say."""
        if not self._touched:
            return
        ids = {"ids": list(self._touched)}
        self._run_only("drop_empty", ids)
        self._run_only("describe", ids | {"most_listed": MOST_LISTED})

    def _hasten(self, alert: Row, waiting: set[int]) -> None:
        """Let no message wait longer than one of the alert's present severity would."""
        if waiting:
            asked = {name: alert[name] for name in ("severity", "snoozed_until")}
            self._run_only("hasten", asked | {"ids": list(waiting), "now": self._now})

    def _leave(self, alert: Row, ids: list[int]) -> None:
        if ids:
            self._run_only("leave", _name(alert) | {"ids": ids})

    def _waiting(self, messages: list[Any]) -> set[int]:
        if not messages:
            return set()
        return {row[0] for row in self._run("waiting", {"ids": [message[0] for message in messages]})}

    def _run(self, name: str, asked: Row) -> list[Any]:
        return self._connection.execute(statements("outbox")[name], asked).fetchall()

    def _run_only(self, name: str, asked: Row) -> None:
        self._connection.execute(statements("outbox")[name], asked)


# What is not worth saying any more once the alert is over.
_ONLY_WHILE_OPEN: Final = ("escalated", "unacknowledged")


def _name(alert: Row) -> dict[str, Any]:
    return {"tenant": alert["tenant"], "alert_id": alert["alert_id"]}
