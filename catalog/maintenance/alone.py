"""One maintainer at a time: a lock of PostgreSQL that lives as long as its connection."""

from typing import Final

from catalog.migrations import connect
from millrace.settings import Settings

# Any number will do; it must only be the same in every maintainer of a registry.
_LOCK: Final = 4_920_114_711


class Alone:
    """Holds the lock from `take` on."""

    def __init__(self, settings: Settings) -> None:
        self._connection = connect(settings)
        self._connection.autocommit = True

    def take(self) -> bool:
        """Try to take the lock; psycopg.Error when the connection is gone."""
        row = self._connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
        return bool(row and row[0])

    def check(self) -> None:
        """Raise psycopg.Error when the lock went with its connection."""
        self._connection.execute("SELECT 1")

    def close(self) -> None:
        """Let the lock go."""
        self._connection.close()
