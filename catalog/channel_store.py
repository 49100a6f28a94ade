"""Channels in PostgreSQL: where notifications go; every change is in the audit.

A secret is bytes here, sealed by whoever calls.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from catalog.statements import statements
from millrace.errors import MillraceError
from millrace.phrases import known_names


class NoSuchChannelError(MillraceError):
    """The tenant has no channel of this name."""


class ChannelInUseError(MillraceError):
    """Rules would tell nobody without this channel."""


class StoredChannel(NamedTuple):
    """A channel as it is configured; `secret` is sealed."""

    tenant: str
    channel: str
    kind: str
    about: str
    settings: dict[str, Any]
    secret: bytes | None
    enabled: bool
    group_wait_s: int
    group_wait_critical_s: int
    updated_at: datetime
    updated_by: str
    private_allowed: bool


class ChannelEntry(NamedTuple):
    """A channel to be written; `secret` is sealed."""

    channel: str
    kind: str
    about: str
    settings: Mapping[str, Any]
    secret: bytes | None
    enabled: bool
    group_wait_s: int
    group_wait_critical_s: int


class ChannelHealth(NamedTuple):
    """What became of a channel's notifications; `dead` counts those made since a given time."""

    waiting: int = 0
    failing: int = 0
    dead: int = 0
    last_sent_at: datetime | None = None


class ChannelStore:
    """One tenant's channels; a write joins the caller's transaction, or is one of its own."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self.connection = connection
        self.tenant = tenant

    def channels(self) -> list[StoredChannel]:
        """Return all channels in the order of their names."""
        return self._channels("list")

    def find(self, channel: str) -> StoredChannel | None:
        """Return a channel, or None."""
        return next(iter(self._channels("get", channel=channel)), None)

    def get(self, channel: str) -> StoredChannel:
        """Return a channel; NoSuchChannelError."""
        found = self.find(channel)
        if found is None:
            raise NoSuchChannelError(
                f"tenant {self.tenant!r} has no channel {channel!r}",
                where="channel",
                mend=known_names(channel, (one.channel for one in self.channels())),
            )
        return found

    def put(self, entry: ChannelEntry, actor: str, at: datetime) -> bool:
        """Write a channel; tell whether it is new."""
        with self.connection.transaction():
            known = self.find(entry.channel)
            fields = entry._asdict() | {"settings": Jsonb(entry.settings), "at": at, "actor": actor}
            self._run("put", **fields)
            shown = ("kind", "settings", "enabled", "group_wait_s", "group_wait_critical_s")
            told = {name: getattr(entry, name) for name in shown}
            renewed = {"secret": "changed"} if known and known.secret != entry.secret else {}
            self.note(entry.channel, "change" if known else "create", told | renewed, actor, at)
        return known is None

    def delete(self, channel: str, actor: str, at: datetime) -> None:
        """Remove a channel and give up what waits for it; NoSuchChannelError, ChannelInUseError."""
        with self.connection.transaction():
            self.get(channel)
            rules = self.rules(channel)
            if rules:
                raise ChannelInUseError(
                    f"rules tell channel {channel!r}: {', '.join(rules)}",
                    where="channel",
                    mend="Let them tell another one first.",
                )
            self._run("give_up", channel=channel)
            self._run("delete", channel=channel)
            self._run("forbid_private", channel=channel)
            self.note(channel, "delete", {}, actor, at)

    def allows_private(self, channel: str) -> bool:
        """Tell whether a channel, which need not exist yet, may reach private addresses and plain http."""
        return bool(self._rows("allows_private", channel=channel))

    def allowed_private(self) -> list[str]:
        """Return the names of channels that may reach private addresses, by name."""
        return [str(row["channel"]) for row in self._rows("allowed_private")]

    def set_private(self, channel: str, allowed: bool, actor: str, at: datetime) -> bool:
        """Allow or forbid a channel to reach private addresses; tell whether that changed anything.

        It is for whoever runs the stack: no request of a tenant may come here.
        """
        with self.connection.transaction():
            if self.allows_private(channel) == allowed:
                return False
            action = "allow_private" if allowed else "forbid_private"
            self._run(action, channel=channel, actor=actor, at=at)
            self.note(channel, action, {}, actor, at)
        return True

    def rules(self, channel: str) -> Sequence[str]:
        """Return the rules that name a channel."""
        return [str(row["rule"]) for row in self._rows("rules", channel=channel)]

    def health(self, since: datetime) -> dict[str, ChannelHealth]:
        """Return how the channels fare that have notifications waiting or made since a time."""
        rows = self._rows("health", since=since)
        return {row.pop("channel"): ChannelHealth(**row) for row in rows}

    def note(self, channel: str, action: str, detail: Mapping[str, Any], actor: str, at: datetime) -> None:
        """Write what somebody did with a channel into the audit."""
        self._run("audit", channel=channel, action=action, detail=Jsonb(detail), actor=actor, at=at)

    def _channels(self, name: str, **values: Any) -> list[StoredChannel]:
        with self.connection.cursor(row_factory=class_row(StoredChannel)) as cursor:
            return cursor.execute(statements("channels")[name], {"tenant": self.tenant, **values}).fetchall()

    def _rows(self, name: str, **values: Any) -> list[dict[str, Any]]:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statements("channels")[name], {"tenant": self.tenant, **values}).fetchall()

    def _run(self, name: str, **values: Any) -> None:
        self.connection.execute(statements("channels")[name], {"tenant": self.tenant, **values})
