"""Suites as their files say them: `suites/NAME.yaml`, and `NAME.sql` with the views its checks look at."""

from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from catalog.statements import statements_of
from millrace.documents import read_yaml
from millrace.errors import MillraceError
from millrace.phrases import known_names

FOLDER = Path(__file__).parent / "suites"
Name = r"^[a-z][a-z0-9_]{0,63}$"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Check(_Part):
    """One expectation on one view."""

    check: str = Field(pattern=Name)
    about: str
    view: str = Field(pattern=Name)
    expect: str = Field(pattern=r"^expect_[a-z_]+$")
    arguments: dict[str, Any] = Field(alias="with")

    @property
    def expected(self) -> str:
        """The expectation and its arguments on one line."""
        said = ", ".join(f"{name}={value}" for name, value in self.arguments.items())
        return f"{self.expect}({said})"


class Suite(_Part):
    """The checks of one table; its name is that of its file.

    `day` is the column by which a day is read, `fresh` the one whose newest value is asked, `views` name for
    each view the columns that tell one of its rows from another. A view that the SQL file does not have is
    the table itself.
    """

    name: str = Field(pattern=Name)
    owner: str
    about: str
    table: str = Field(pattern=Name)
    day: str
    fresh: str | None = None
    severity: Literal["info", "warning", "critical"] = "warning"
    columns: tuple[str, ...]
    views: dict[str, tuple[str, ...]]
    checks: tuple[Check, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        names = [one.check for one in self.checks]
        if len(set(names)) < len(names):
            raise ValueError("two checks have one name")
        if missing := {one.view for one in self.checks} ^ self.views.keys():
            raise ValueError(f"views and checks do not name the same views: {', '.join(sorted(missing))}")
        if unknown := self.views.keys() - self.statements.keys() - {self.table}:
            raise ValueError(f"{self.name}.sql has no view {', '.join(sorted(unknown))}")
        return self

    @property
    def statements(self) -> dict[str, bytes]:
        """The SQL of its views by name; none when there is no file."""
        path = FOLDER / f"{self.name}.sql"
        return statements_of(path) if path.exists() else {}

    def checks_of(self, view: str) -> list[Check]:
        """Return the checks that look at a view."""
        return [one for one in self.checks if one.view == view]


@cache
def suites() -> dict[str, Suite]:
    """Return every suite by name; MillraceError naming the file that is wrong."""
    return {path.stem: read_suite(path) for path in sorted(FOLDER.glob("*.yaml"))}


def read_suite(path: Path) -> Suite:
    """Read one suite; MillraceError when it is wrong."""
    try:
        return Suite.model_validate({"name": path.stem} | read_yaml(path))
    except (ValidationError, TypeError) as error:
        raise MillraceError(
            f"a data-quality suite is wrong: {error}", where=str(path), mend="Correct the file."
        ) from None


def suites_of(table: str | None) -> list[Suite]:
    """Return the suites of a table, or all; MillraceError when the table has none."""
    found = [one for one in suites().values() if table in (None, one.table)]
    if not found:
        known = sorted({one.table for one in suites().values()})
        mend = known_names(str(table), known)
        raise MillraceError(f"table {table!r} has no suite", where="--table", mend=mend)
    return found
