"""Forgets a device in PostgreSQL."""

import time
from typing import Final, NamedTuple

import psycopg
from psycopg.rows import dict_row

from catalog.forgetting.names_in_bytes import word
from catalog.forgetting.owner import Owner
from catalog.statements import statements

# In the order in which one needs the rows of the next.
_STEPS: Final = (
    "forget_audit",
    "forget_messages",
    "forget_comments",
    "forget_history",
    "forget_alerts",
    "forget_replays",
    "forget_device",
)
CONTEXT_TOPIC: Final = "device-context"
_LOOK_EVERY_S: Final = 0.2


class RegistryForgotten(NamedTuple):
    """Rows by table before and after, and whether the stream was told that it is configured no longer."""

    before: dict[str, int]
    after: dict[str, int]
    is_told: bool

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left."""
        return not sum(self.after.values())


def forget_in_registry(connection: psycopg.Connection, owner: Owner, patience_s: float) -> RegistryForgotten:
    """Forget a device, all of it or nothing; then wait until the publisher of contexts has told the stream.

    Where it has not within `patience_s`, its note of the removal is the one row that stays.
    """
    connection.autocommit = True
    before = _counts(connection, owner)
    with connection.transaction():
        for step in _STEPS:
            _run(connection, step, owner)
    is_told = _await_told(connection, owner, patience_s)
    if is_told:
        _run(connection, "forget_removal", owner)
    return RegistryForgotten(before, _counts(connection, owner), is_told)


def _counts(connection: psycopg.Connection, owner: Owner) -> dict[str, int]:
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(statements("forgetting")["count_rows"], _named(owner)).fetchone()
    return dict(found or {})


def _await_told(connection: psycopg.Connection, owner: Owner, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while True:
        asked = _named(owner) | {"topic": CONTEXT_TOPIC}
        row = connection.execute(statements("forgetting")["is_published"], asked).fetchone()
        if row and row[0]:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LOOK_EVERY_S)


def _run(connection: psycopg.Connection, step: str, owner: Owner) -> None:
    connection.execute(statements("forgetting")[step], _named(owner))


def _named(owner: Owner) -> dict[str, str]:
    return owner._asdict() | {"prefix": f"{owner.key}/", "word": word(owner.device_id)}
