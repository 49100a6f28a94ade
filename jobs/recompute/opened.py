"""What recomputing needs of a stack: tables, how far results are final, a database to compute in."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import EqualTo, GreaterThanOrEqual, LessThan
from pyiceberg.table import Table

from catalog.archive import archived_rows
from catalog.corrections_report import read_report, report_file
from catalog.filters import every, moment, predicate
from catalog.lake import NAMESPACE, load_lake
from jobs.corrections.memory import Memory
from jobs.recompute.asked import Asked
from jobs.recompute.windows import WindowSources
from millrace.errors import MillraceError
from millrace.settings import Settings

_NAME: Final = ("device_id",)


class Horizons(NamedTuple):
    """Up to when (event time, ms) results of the stream are final."""

    windows_ms: int
    alerts_ms: int


def final_of(config: Settings) -> Horizons:
    """Return what the corrector last said; MillraceError when it has said nothing yet."""
    report = read_report(report_file(config))
    if report is None or report.windows_final_ms < 0:
        raise MillraceError(
            "it is not known yet up to when the stream has published its results",
            where="corrector",
            mend="Let `millrace up` run until `millrace corrections` shows `windows final`.",
        )
    return Horizons(report.windows_final_ms, min(report.windows_final_ms, report.alerts_final_ms))


def open_sources(lake: Catalog) -> WindowSources:
    """Return the tables of readings and rollups."""
    return WindowSources(*(lake.load_table((NAMESPACE, name)) for name in ("readings", "rollups_1m")))


def open_tables(config: Settings) -> tuple[WindowSources, Table]:
    """Return the tables of readings and rollups, and iot.alert_events."""
    lake = load_lake(config)
    return open_sources(lake), lake.load_table((NAMESPACE, "alert_events"))


def devices_in(sources: WindowSources, asked: Asked) -> tuple[str, ...]:
    """Return all devices of the tenant that have readings in the span."""
    terms = [
        predicate(EqualTo, "tenant", asked.tenant),
        predicate(GreaterThanOrEqual, "event_time", moment(asked.from_ms)),
        predicate(LessThan, "event_time", moment(asked.to_ms)),
    ]
    condition = every(terms)
    # The archive first: it refreshes the other to fit it.
    found = {name for batch in archived_rows(sources.readings, condition, _NAME) for name in _names(batch)}
    for batch in sources.readings.scan(condition, _NAME).to_arrow_batch_reader():
        found.update(_names(batch))
    return tuple(sorted(found))


def _names(batch: pa.RecordBatch) -> list[str]:
    names: list[str] = batch.column(0).unique().to_pylist()
    return names


@contextmanager
def scratch_memory(config: Settings) -> Iterator[Memory]:
    """Open a DuckDB of its own, which is removed at the end."""
    config.folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="recompute-", dir=config.folder) as folder:
        memory = Memory(Path(folder) / "recompute.duckdb")
        try:
            yield memory
        finally:
            memory.close()
