"""The SQL of recomputing by name: `jobs/recompute/sql/<name>.sql`, in DuckDB's dialect."""

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "sql"


@cache
def statement(name: str) -> str:
    """Return the statements of one file."""
    return (_FOLDER / f"{name}.sql").read_text()
