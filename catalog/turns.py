"""Who may write corrections: one corrector at a time, and it takes turns with whoever recomputes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from psycopg import Connection

from catalog.migrations import connect
from millrace.errors import MillraceError
from millrace.settings import Settings

# Any numbers will do; they must only be the same in every process of a registry.
_ALONE: Final = 4_920_114_702
_TURN: Final = 4_920_114_703
_LOOK_EVERY_S: Final = 0.5
Check = Callable[[], None]


class Alone:
    """Holds locks of PostgreSQL as long as its connection lives, so that one corrector writes at a time."""

    def __init__(self, settings: Settings) -> None:
        self._connection = connect(settings)
        self._connection.autocommit = True

    def take(self) -> bool:
        """Try to become the only corrector; psycopg.Error when the connection is gone."""
        return _taken(self._connection, _ALONE)

    def take_turn(self) -> bool:
        """Try to take a turn at writing; psycopg.Error when the connection is gone."""
        return _taken(self._connection, _TURN)

    def end_turn(self) -> None:
        """Let others write; psycopg.Error when the connection is gone."""
        self._connection.execute("SELECT pg_advisory_unlock(%s)", (_TURN,))

    def check(self) -> None:
        """Raise psycopg.Error when the locks went with their connection."""
        self._connection.execute("SELECT 1")


@contextmanager
def own_turn(settings: Settings, patience_s: float) -> Iterator[Check]:
    """Take a turn at writing corrections, and yield what raises when it was lost.

    Waits for the corrector's pass to end; MillraceError when that takes longer than `patience_s`.
    """
    deadline = time.monotonic() + patience_s
    with connect(settings) as connection:
        connection.autocommit = True
        while not _taken(connection, _TURN):
            if time.monotonic() >= deadline:
                raise MillraceError(
                    f"somebody else wrote corrections for {patience_s:.0f} s",
                    where="corrector",
                    mend="Try again later; `millrace corrections` says what it works on.",
                )
            time.sleep(_LOOK_EVERY_S)
        yield lambda: _check(connection)


def _check(connection: Connection) -> None:
    connection.execute("SELECT 1")


def _taken(connection: Connection, number: int) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (number,)).fetchone()
    return bool(row and row[0])
