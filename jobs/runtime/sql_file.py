"""A job file: a YAML header in the leading comment, then SQL."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from millrace.errors import MillraceError

Kind = Literal["view", "insert"]


class Header(BaseModel):
    """What a job file says of itself; an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: str
    about: str
    reads: tuple[str, ...]
    writes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SqlFile:
    """One view or a group of INSERTs; the name is the file's stem."""

    name: str
    kind: Kind
    header: Header
    statements: tuple[str, ...]


def read_sql_file(path: Path) -> SqlFile:
    """Parse a job file; raise MillraceError saying what its header lacks."""
    opening, _, rest = path.read_text().partition("\n")
    header, closing, body = rest.partition("*/")
    kind = opening.removeprefix("/*").strip()
    if not closing or kind not in ("view", "insert"):
        raise MillraceError(
            "a job file begins with `/* view` or `/* insert`", where=str(path), mend="See jobs/readings.sql."
        )
    return SqlFile(
        name=path.stem,
        kind="view" if kind == "view" else "insert",
        header=_header(header, path),
        statements=tuple(part.strip() for part in body.split(";\n") if part.strip()),
    )


def _header(text: str, path: Path) -> Header:
    try:
        return Header.model_validate(yaml.safe_load(text))
    except (ValidationError, yaml.YAMLError) as error:
        raise MillraceError(f"the header is wrong: {error}", where=str(path), mend="Correct it.") from None
