"""Tables of the lake, one catalog for the process, and what becomes of errors.

The lake's libraries are loaded when they are first needed: they would triple the memory of an API nobody asks
for history.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from api.problems import ProblemError
from millrace.settings import Settings

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from catalog.lake_tables import LakeTables

_opened: "dict[tuple[str, ...], LakeTables]" = {}


@contextmanager
def open_table(config: Settings, name: str) -> Iterator["Table"]:
    """Give an Iceberg table as it is now; errors of the lake become problems (503)."""
    from catalog.lake import NAMESPACE

    with lake_problems(name):
        yield tables_of(config).load((NAMESPACE, name))


def tables_of(config: Settings) -> "LakeTables":
    """Return the tables of a stack's lake; the catalog is opened when one is loaded."""
    from catalog.lake import load_lake
    from catalog.lake_tables import LakeTables

    return _opened.setdefault(_key(config), LakeTables(lambda: load_lake(config)))


def close_lake(config: Settings) -> None:
    """Give the connections of a stack's lake back, if there are any."""
    tables = _opened.pop(_key(config), None)
    if tables is not None:
        tables.close()


def _key(config: Settings) -> tuple[str, ...]:
    return config.warehouse, config.address("postgres"), config.lake.rest_catalog


@contextmanager
def lake_problems(name: str) -> Iterator[None]:
    """Turn errors of the lake into problems: 503; 404 for no such snapshot, 410 for one that is gone."""
    from pyiceberg.exceptions import NoSuchTableError

    from catalog.lake import LAKE_AWAY
    from catalog.snapshots import GoneSnapshotError, UnknownSnapshotError

    try:
        yield
    except (*LAKE_AWAY, NoSuchTableError) as error:
        raise ProblemError(
            503,
            "store-unavailable",
            f"The lake, which holds table {name}, cannot answer now ({type(error).__name__}).",
            where="lake",
            mend="Try again in a moment; `millrace status` and GET /health show what is down.",
        ) from None
    except GoneSnapshotError as error:
        raise ProblemError(
            410, "snapshot-gone", f"{error.what}.", where=error.where, mend=error.mend
        ) from None
    except UnknownSnapshotError as error:
        raise ProblemError(
            404, "unknown-snapshot", f"{error.what}.", where=error.where, mend=error.mend
        ) from None
