"""Reads the SQL files of `catalog/sql/`: several statements in one file, each behind a line `-- name: x`."""

import re
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "sql"
_NAME = re.compile(r"^-- name: ([a-z_]+)$", re.MULTILINE)


@cache
def statements(file: str) -> dict[str, bytes]:
    """Return the statements of `catalog/sql/<file>.sql` by name."""
    return statements_of(_FOLDER / f"{file}.sql")


def statements_of(path: Path) -> dict[str, bytes]:
    """Return the statements of a file by name."""
    parts = _NAME.split(path.read_text())[1:]
    return {name: text.strip().encode() for name, text in zip(parts[::2], parts[1::2], strict=True)}
