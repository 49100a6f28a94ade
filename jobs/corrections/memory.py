"""What the corrector has seen and what still waits, in one DuckDB file of the stack's folder.

The same connection computes: it spills to disk what does not fit into its memory. The file may be lost
at any time: everything is found again from `iot.readings`, and what is right already changes nothing.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb
import pyarrow as pa

from jobs.corrections.statements import statement

_log = logging.getLogger("millrace.corrector")
Options = dict[str, str | bool | int | float | list[str]]
MEMORY: Final = "384MB"
THREADS: Final = 2


class Waiting(NamedTuple):
    """Work of a queue that waits: how much, and when the oldest was found; fresh work is counted apart."""

    queue: str
    is_fresh: bool
    rows: int
    found_at_ms: int


class Memory:
    """Progress, pending work and figures."""

    def __init__(self, path: Path) -> None:
        self.connection = _open(path)
        self.connection.execute(statement("memory"))

    def close(self) -> None:
        """Write everything to the file."""
        self.connection.close()

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Keep all changes of the block, or none."""
        self.connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def run(self, name: str, **variables: int | str | bool | list[str]) -> duckdb.DuckDBPyConnection:
        """Run the statements of a file with its variables set."""
        for variable, value in variables.items():
            self.connection.execute(f"SET VARIABLE {variable} = ?", [value])
        return self.connection.execute(statement(name))

    def give(self, name: str, rows: pa.Table | pa.RecordBatchReader) -> None:
        """Let statements read rows by a name; a reader can be read once."""
        self.connection.register(name, rows)

    def one(self, query: str, *values: Any) -> Any:
        """Return the first value of a query, None when it has no row."""
        row = self.connection.execute(query, list(values)).fetchone()
        return row[0] if row else None

    def progress(self, source: str, table_uuid: str) -> int | None:
        """Return the snapshot up to which a table was taken; None when never, or when it is another table."""
        query = "SELECT snapshot_id FROM progress WHERE source = ? AND table_uuid = ?"
        found: int | None = self.one(query, source, table_uuid)
        return found

    def set_progress(self, source: str, table_uuid: str, snapshot_id: int) -> None:
        """Remember up to which snapshot a table was taken."""
        self.connection.execute("DELETE FROM progress WHERE source = ?", [source])
        self.connection.execute("INSERT INTO progress VALUES (?, ?, ?)", [source, table_uuid, snapshot_id])

    def figure(self, name: str, default: int = 0) -> int:
        """Return a figure kept over restarts."""
        found = self.one("SELECT value FROM figure WHERE name = ?", name)
        return default if found is None else int(found)

    def set_figure(self, name: str, value: int) -> None:
        """Keep a figure."""
        self.connection.execute("DELETE FROM figure WHERE name = ?", [name])
        self.connection.execute("INSERT INTO figure VALUES (?, ?)", [name, value])

    def count(self, name: str, more: int) -> None:
        """Add to a figure."""
        self.set_figure(name, self.figure(name) + more)

    def rows_of(self, table: str, condition: str = "true") -> int:
        """Return the number of rows of a table, or of those that meet a condition."""
        return int(self.connection.table(table).filter(condition).aggregate("count(*)").fetchall()[0][0])

    def waiting(self, fresh_since_ms: int) -> list[Waiting]:
        """Return what still waits; fresh is what event time since then touched. Empty shares are left out."""
        return [Waiting(*row) for row in self.run("waiting", fresh_since_ms=fresh_since_ms).fetchall()]


def _open(path: Path) -> duckdb.DuckDBPyConnection:
    path.parent.mkdir(parents=True, exist_ok=True)
    config: Options = {
        "memory_limit": MEMORY,
        "threads": THREADS,
        "temp_directory": str(path.with_suffix(".tmp")),
        "preserve_insertion_order": "false",
        "autoinstall_known_extensions": "false",
    }
    try:
        return _connected(path, config)
    except duckdb.IOException:
        raise
    except duckdb.Error as error:
        _log.warning("%s is unreadable, everything is found again: %s", path, error)
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        return _connected(path, config)


def _connected(path: Path, config: Options) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(path), config=config)
