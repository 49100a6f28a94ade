"""One table of the lake for a request, and what becomes of errors.

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


@contextmanager
def open_table(config: Settings, name: str) -> Iterator["Table"]:
    """Open an Iceberg table as it is now; errors of the lake become problems (503)."""
    from pyiceberg.exceptions import NoSuchTableError
    from sqlalchemy.exc import SQLAlchemyError

    from catalog.lake import NAMESPACE, load_lake

    try:
        lake = load_lake(config)
        try:
            yield lake.load_table((NAMESPACE, name))
        finally:
            lake.close()
    except (SQLAlchemyError, NoSuchTableError, OSError) as error:
        raise ProblemError(
            503,
            "store-unavailable",
            f"The lake, which holds table {name}, cannot answer now ({type(error).__name__}).",
            where="lake",
            mend="Try again in a moment; `millrace status` and GET /health show what is down.",
        ) from None
