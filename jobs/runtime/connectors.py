"""Binds what the jobs name to what this environment has: topics, the lake, Python functions."""

from importlib import import_module
from pathlib import Path
from typing import Any

from pyflink.table import TableEnvironment

from catalog.lake import CATALOG, engine_properties
from jobs.runtime.flink_errors import blamed_on_connector
from millrace.settings import Settings

_SQL = Path(__file__).resolve().parent / "sql"


def bind(tables: TableEnvironment, settings: Settings) -> None:
    """Declare sources, sinks, the catalog and the functions the job files may use."""
    values = _values(settings)
    for path in sorted(_SQL.glob("*.sql")):
        with blamed_on_connector(path.name):
            tables.execute_sql(path.read_text().format(**values))
    for path in sorted(Path(__file__).parent.glob("udf_*.py")):
        function = import_module(f"jobs.runtime.{path.stem}").FUNCTION
        tables.create_temporary_system_function(path.stem.removeprefix("udf_"), function)


def _values(settings: Settings) -> dict[str, Any]:
    return {
        "catalog": CATALOG,
        "bootstrap": settings.address("kafka"),
        "catalog_properties": _options(engine_properties(settings)),
        "out_of_orderness": _interval(settings.telemetry.out_of_orderness_ms),
        "idle_partition_ms": settings.telemetry.idle_partition_ms,
    }


def _options(properties: dict[str, str]) -> str:
    """Format properties as the options of a SQL statement."""
    pairs = ((name, value.replace("'", "''")) for name, value in properties.items())
    return ", ".join(f"'{name}' = '{value}'" for name, value in pairs)


def _interval(duration_ms: int) -> str:
    """Format a duration as SQL's `d hh:mm:ss.mmm`."""
    minutes, rest_ms = divmod(duration_ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days} {hours:02}:{minutes:02}:{rest_ms / 1000:06.3f}"
