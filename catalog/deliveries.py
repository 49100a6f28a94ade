"""The outbox as whoever delivers it sees it: claim, record, look up, try once more."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row, dict_row

from catalog.statements import statements

Row = dict[str, Any]
State = Literal["pending", "sent", "failed", "dead"]


class ChannelName(NamedTuple):
    """A channel of a tenant."""

    tenant: str
    channel: str


class Claim(NamedTuple):
    """A notification to be delivered now, and the channel as it is; `attempt` counts from 1."""

    notification_id: int
    tenant: str
    channel: str
    reason: str
    payload: Any
    attempt: int
    kind: str
    settings: dict[str, Any]
    secret: bytes | None
    enabled: bool
    private_allowed: bool

    @property
    def name(self) -> ChannelName:
        """Which channel it goes through."""
        return ChannelName(self.tenant, self.channel)


class Attempt(NamedTuple):
    """What came of an attempt, and what becomes of the notification; None: `next_attempt_at` stays."""

    notification_id: int
    attempt: int
    started_at: datetime
    ended_at: datetime
    duration_ms: int
    outcome: Literal["sent", "failed", "refused"]
    detail: str
    state: State
    next_attempt_at: datetime | None


def claim(
    connection: Connection,
    *,
    now: datetime,
    lease_until: datetime,
    most: int,
    room: Mapping[ChannelName, int],
    in_flight: Sequence[int],
) -> list[Claim]:
    """Take what is due, at most `most` for a channel or as many as `room` says, and nobody else takes it."""
    asked = {
        "now": now,
        "lease_until": lease_until,
        "most": most,
        "tenants": [name.tenant for name in room],
        "channels": [name.channel for name in room],
        "free": list(room.values()),
        "in_flight": list(in_flight),
    }
    with connection.transaction(), connection.cursor(row_factory=class_row(Claim)) as cursor:
        return cursor.execute(statements("deliveries")["claim"], asked).fetchall()


def record(connection: Connection, attempt: Attempt) -> None:
    """Write down an attempt and what becomes of its notification; doing so again changes nothing."""
    with connection.transaction():
        for name in ("note", "settle"):
            connection.execute(statements("deliveries")[name], attempt._asdict())


def give_up_orphans(connection: Connection, now: datetime) -> int:
    """Give up what is due for channels that do not exist; return how many."""
    return connection.execute(statements("deliveries")["give_up_orphans"], {"now": now}).rowcount


def give_up_waiting(connection: Connection, name: ChannelName, before: datetime) -> int:
    """Give up what has been due on a channel since before a time; return how many."""
    asked = name._asdict() | {"before": before}
    return connection.execute(statements("deliveries")["give_up_waiting"], asked).rowcount


class Deliveries:
    """One tenant's notifications, for people."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    def page(
        self,
        *,
        before: int,
        limit: int,
        state: State | None = None,
        channel: str | None = None,
        alert_id: str | None = None,
    ) -> list[Row]:
        """Return notifications, newest first, from behind number `before`."""
        return self._rows("list", before=before, limit=limit, state=state, channel=channel, alert_id=alert_id)

    def find(self, notification_id: int) -> Row | None:
        """Return a notification with its `tries`, or None."""
        found = self._rows("get", notification_id=notification_id)
        if not found:
            return None
        return found[0] | {"tries": self._rows("attempts", notification_id=notification_id)}

    def retry(self, notification_id: int, now: datetime) -> bool:
        """Let one that failed or was given up be tried now, once more; tell whether it is such a one."""
        asked = {"tenant": self._tenant, "notification_id": notification_id, "now": now}
        return bool(self._connection.execute(statements("deliveries")["retry"], asked).rowcount)

    def _rows(self, name: str, **values: Any) -> list[Row]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            asked = {"tenant": self._tenant, **values}
            return cursor.execute(statements("deliveries")[name], asked).fetchall()
