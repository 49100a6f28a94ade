"""The record of replays in PostgreSQL: what was sent for a dead letter, and what the gateway said."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import psycopg
from psycopg.rows import dict_row

from catalog.statements import statements

State = Literal["pending", "accepted", "refused"]
_SQL = statements("dead_letter_replays")


class Replay(NamedTuple):
    """One letter's replay; times are UTC epoch milliseconds, `answered_at_ms` is None while pending."""

    dead_letter_id: str
    tenant: str
    state: State
    payload: bytes
    readings: tuple[str, ...]
    fixes: list[dict[str, Any]]
    reason: str | None
    detail: str | None
    sent_at_ms: int
    answered_at_ms: int | None


class Replays:
    """The table `dead_letter_replay`; each call is a transaction of its own."""

    def __init__(self, connection: psycopg.Connection) -> None:
        connection.autocommit = True
        self._connection = connection

    @contextmanager
    def alone(self, dead_letter_id: str) -> Iterator[bool]:
        """Yield whether nobody else replays this letter now; a crash ends the hold with the connection."""
        key = {"key": f"dead letter {dead_letter_id}"}
        row = self._connection.execute(_SQL["hold"], key).fetchone()
        held = row is not None and row[0]
        try:
            yield held
        finally:
            if held:
                self._connection.execute(_SQL["release"], key)

    def known(self, ids: Iterable[str]) -> dict[str, Replay]:
        """Return the replays there are of these letters, by letter."""
        cursor = self._connection.cursor(row_factory=dict_row)
        rows = cursor.execute(_SQL["known"], {"ids": list(ids)})
        return {row["dead_letter_id"]: _replay(row) for row in rows}

    def twin(self, dead_letter_id: str, readings: tuple[str, ...]) -> str | None:
        """Return another letter whose replay carries one of these readings."""
        named = {"id": dead_letter_id, "readings": list(readings)}
        row = self._connection.execute(_SQL["twin"], named).fetchone()
        return row[0] if row else None

    def note(self, replay: Replay) -> None:
        """Write down a replay before it is sent, and again with its answer; an accepted one is left alone."""
        named = replay._asdict() | {
            "readings": list(replay.readings),
            "fixes": json.dumps(replay.fixes),
            "detail": replay.detail and replay.detail.replace("\x00", "\\x00"),
            "sent_at": _moment(replay.sent_at_ms),
            "answered_at": None if replay.answered_at_ms is None else _moment(replay.answered_at_ms),
        }
        self._connection.execute(_SQL["note"], named)


def _moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def _time_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _replay(row: dict[str, Any]) -> Replay:
    sent_at, answered_at = row.pop("sent_at"), row.pop("answered_at")
    return Replay(
        **row | {"payload": bytes(row["payload"]), "readings": tuple(row["readings"])},
        sent_at_ms=_time_ms(sent_at),
        answered_at_ms=None if answered_at is None else _time_ms(answered_at),
    )
