"""The book of imports in PostgreSQL: which offsets of partition -1 were given to which rows."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

import psycopg
from psycopg.rows import class_row

from catalog.migrations import connect
from catalog.statements import statements
from millrace.errors import MillraceError
from millrace.settings import Settings

# Rows that never were in Kafka: no partition of a topic has this number.
PARTITION: Final = -1


class Reserved(NamedTuple):
    """A range of offsets given to rows of one commit."""

    backfill_id: int
    first_offset: int
    rows: int


class Origin(NamedTuple):
    """Whose rows are imported, from which files, by which mapping."""

    tenant: str
    files: Sequence[str]
    mapping: str


class BackfillBook:
    """The tables `backfill` and `backfill_refused`; each call is a transaction of its own."""

    def __init__(self, connection: psycopg.Connection) -> None:
        connection.autocommit = True
        self._connection = connection

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only one who imports; a crash ends it. MillraceError when somebody else does."""
        row = self._connection.execute(_sql("hold")).fetchone()
        if not (row and row[0]):
            raise MillraceError(
                "somebody else imports at this moment", where="backfill", mend="Try again when it is done."
            )
        try:
            yield
        finally:
            self._connection.execute(_sql("release"))

    def reserve(self, origin: Origin, rows: int) -> Reserved:
        """Give the next offsets to rows that are about to be stored."""
        named = origin._asdict() | {"files": list(origin.files), "rows": rows}
        with self._connection.cursor(row_factory=class_row(Reserved)) as cursor:
            found = cursor.execute(_sql("reserve"), named).fetchone()
        assert found is not None
        return found

    def pending(self) -> list[Reserved]:
        """Return the ranges of which it is not known whether their rows were stored."""
        with self._connection.cursor(row_factory=class_row(Reserved)) as cursor:
            return cursor.execute(_sql("pending")).fetchall()

    def stored(self, one: Reserved) -> None:
        """Remember that the rows of a range are stored."""
        self._connection.execute(_sql("stored"), {"backfill_id": one.backfill_id})

    def give_back(self, one: Reserved) -> None:
        """Free a range whose rows were never stored; it must be the last."""
        self._connection.execute(_sql("give_back"), {"backfill_id": one.backfill_id})

    def end(self) -> int:
        """Return one above the last offset whose row was stored."""
        row = self._connection.execute(_sql("book_end")).fetchone()
        return int(row[0]) if row else 0

    def refused(self, tenant: str, digests: Collection[bytes]) -> set[bytes]:
        """Return which of these rows, by their digests, are dead letters already."""
        named = {"tenant": tenant, "digests": list(digests)}
        rows = self._connection.execute(_sql("refused"), named).fetchall()
        return {bytes(digest) for (digest,) in rows}

    def note_refused(self, tenant: str, digests: Collection[bytes]) -> None:
        """Remember rows that are dead letters now."""
        named = [{"tenant": tenant, "digest": digest} for digest in digests]
        with self._connection.cursor() as cursor:
            cursor.executemany(_sql("note_refused"), named)


def _sql(name: str) -> bytes:
    return statements("backfills")[name]


def backfilled_end(config: Settings) -> int:
    """Return one above the last offset of imports, 0 before the first."""
    with connect(config) as connection:
        return BackfillBook(connection).end()
