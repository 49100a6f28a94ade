"""A job file: a header that says what it reads and makes, then SQL, or Python for a state machine."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from millrace.documents import read_text
from millrace.errors import MillraceError
from millrace.known_keys import in_words

Kind = Literal["view", "insert", "step"]


class Header(BaseModel):
    """What a job file says of itself; an unknown key is refused.

    `provides` are the views a step makes. `position` orders the INSERTs of a job: it names operators in
    savepoints, so a new INSERT takes the next free one. `parallelism` of an insert is that of its whole
    job; without it its source's share of the stack's counts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: str
    about: str
    reads: tuple[str, ...]
    writes: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    position: int | None = Field(default=None, ge=1)
    parallelism: int | None = Field(default=None, ge=1)


@dataclass(frozen=True, kw_only=True)
class JobFile:
    """One view, a group of INSERTs, or a Python step that makes views; the name is the file's stem."""

    name: str
    kind: Kind
    header: Header
    path: Path
    statements: tuple[str, ...] = ()
    first_lines: tuple[int, ...] = ()

    @property
    def shown(self) -> str:
        """Return the file as a person finds it."""
        return f"{self.path.parent.name}/{self.path.name}"

    def line(self, statement: int) -> int:
        """Return the line of the file in which a statement begins."""
        return self.first_lines[statement] if statement < len(self.first_lines) else 1

    @property
    def provides(self) -> tuple[str, ...]:
        """Return the names others read it by."""
        return self.header.provides or (self.name,)


def read_job_files(folder: Path) -> list[JobFile]:
    """Read every `.sql` file of a folder and every `.py` file that has a HEADER."""
    steps = (read_step_file(path) for path in sorted(folder.glob("*.py")))
    return [*map(read_sql_file, sorted(folder.glob("*.sql"))), *filter(None, steps)]


def read_sql_file(path: Path) -> JobFile:
    """Parse a SQL job file; raise MillraceError saying what its header lacks."""
    opening, _, rest = read_text(path).partition("\n")
    header, closing, body = rest.partition("*/")
    kind = opening.removeprefix("/*").strip()
    if not closing or kind not in ("view", "insert"):
        raise MillraceError(
            "a job file begins with `/* view` or `/* insert`", where=str(path), mend="See jobs/readings.sql."
        )
    parsed = _header(header, path)
    if (kind == "insert") != (parsed.position is not None):
        raise MillraceError(
            "an INSERT has a `position` in its job, a view has none",
            where=str(path),
            mend="Give a new INSERT the next free number of its job: operators in savepoints follow it.",
        )
    begun = 2 + header.count("\n")
    statements = list(_statements(body, begun))
    return JobFile(
        name=path.stem,
        kind="view" if kind == "view" else "insert",
        header=parsed,
        path=path,
        statements=tuple(statement for statement, _ in statements),
        first_lines=tuple(line for _, line in statements),
    )


def _statements(body: str, line: int) -> Iterator[tuple[str, int]]:
    """Yield each statement of a body that begins in a line, and the line in which it begins itself."""
    for part in body.split(";\n"):
        if part.strip():
            yield part.strip(), line + part[: len(part) - len(part.lstrip())].count("\n")
        line += part.count("\n") + 1


def read_step_file(path: Path) -> JobFile | None:
    """Read HEADER and docstring of a Python job file without running it; None for any other module."""
    try:
        tree = ast.parse(read_text(path))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise MillraceError(
            f"that is no Python: {getattr(error, 'msg', error)}",
            where=f"{path}, line {line}",
            mend="Correct it.",
        ) from None
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "HEADER":
            told: dict[str, Any] = ast.literal_eval(node.value)
            header = _header(yaml.safe_dump(told | {"about": ast.get_docstring(tree) or ""}), path)
            return JobFile(name=path.stem, kind="step", header=header, path=path)
    return None


def _header(text: str, path: Path) -> Header:
    try:
        return Header.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        wrong = "; ".join(
            f"{one.place}: {one.what}" for one in in_words(error.errors(), Header.model_json_schema())
        )
        raise MillraceError(f"the header is wrong: {wrong}", where=str(path), mend="Correct it.") from None
    except yaml.YAMLError as error:
        raise MillraceError(f"the header is wrong: {error}", where=str(path), mend="Correct it.") from None
