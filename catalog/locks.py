"""Locks of PostgreSQL by name, which live as long as the connection that took them."""

from psycopg import Connection

from catalog.migrations import connect
from millrace.settings import Settings


def take_lock(connection: Connection, name: str) -> bool:
    """Try to take a lock of the registry; psycopg.Error when the connection is gone."""
    row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (name,)).fetchone()
    return bool(row and row[0])


def release_lock(connection: Connection, name: str) -> None:
    """Let a lock go; psycopg.Error when the connection is gone."""
    connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (name,))


class OnlyOne:
    """Holds a lock with a connection of its own, from `take` on: one process does what it stands for."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._connection = connect(settings)
        self._connection.autocommit = True
        self.name = name

    def take(self) -> bool:
        """Try to become the only one; psycopg.Error when the connection is gone."""
        return take_lock(self._connection, self.name)

    def check(self) -> None:
        """Raise psycopg.Error when the lock went with its connection."""
        self._connection.execute("SELECT 1")

    def close(self) -> None:
        """Let the lock go."""
        self._connection.close()
