"""What looks need, of a running stack."""

from collections.abc import Iterator
from contextlib import contextmanager

from catalog.lake import load_lake
from catalog.migrations import connect
from catalog.quality.run import Bench
from catalog.quality.terms import Terms, terms_of
from millrace.settings import Settings


@contextmanager
def bench_of(config: Settings) -> Iterator[Bench]:
    """Open a stack's lake and registry; SQLAlchemyError and psycopg.Error while they are away."""
    lake = load_lake(config)

    def terms(from_ms: int, until_ms: int) -> Terms:
        with connect(config) as connection:
            return terms_of(connection, from_ms, until_ms)

    try:
        yield Bench(lake, terms, config.folder / "scratch")
    finally:
        lake.close()
