"""The tables jobs start from: every `/* source` file of `jobs/runtime/sql/`, and the job each feeds."""

import re
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import yaml

from millrace.contracts import topics
from millrace.errors import MillraceError

FOLDER = Path(__file__).resolve().parent / "sql"
_TABLE = re.compile(r"CREATE TEMPORARY TABLE `?([\w.-]+)`? \(")
BATCH_MS: Final = 200


class Source(NamedTuple):
    """What a source says of itself.

    The job it feeds, whether it must not be chained to its consumers, and for how long its job gathers work
    for a Python function: a batch costs much the same whatever is in it, so longer is cheaper and later.
    `share` is that of the stack's parallelism: where a reading costs less, fewer subtasks do, and each
    subtask costs its batches, Python workers and commits whether readings come or not.
    """

    job: str
    apart: bool = False
    batch_ms: int = BATCH_MS
    share: float = 1.0


@cache
def sources() -> dict[str, Source]:
    """Return every source by its table; its job is what the header says, else called like the table.

    A topic is a source by its own name, so that a job file can name it before it has a table.
    """
    declared = dict(_source(path) for path in sorted(FOLDER.glob("*.sql")) if _is_source(path))
    return {name: Source(name) for name in topics()} | declared


def _is_source(path: Path) -> bool:
    return path.read_text().startswith("/* source\n")


def _source(path: Path) -> tuple[str, Source]:
    text, _, body = path.read_text().partition("\n")[2].partition("*/")
    table, header = _TABLE.search(body), yaml.safe_load(text)
    if not table:
        raise MillraceError("a source file declares no table", where=str(path), mend="See telemetry.sql.")
    return table[1], Source(
        header.get("job", table[1]),
        header.get("apart", False),
        header.get("batch_ms", BATCH_MS),
        header.get("share", 1.0),
    )
