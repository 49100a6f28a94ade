"""Readings of a device as rules see them, from both tiers and in order."""

from collections.abc import Sequence

from jobs.corrections.lake_reads import counted_readings
from jobs.corrections.memory import Memory
from jobs.recompute.asked import Asked
from jobs.recompute.statements import statement
from jobs.recompute.windows import WindowSources
from udfs.rules.columns import readings_of
from udfs.rules.reading import RuleReading, in_order


def device_readings(
    memory: Memory, sources: WindowSources, piece: Asked, metrics: Sequence[str]
) -> list[RuleReading]:
    """Return readings of one device in order; readings of one time that say the same come once."""
    span = [(piece.from_ms, piece.to_ms)]
    memory.give("stored", counted_readings(sources.readings, piece.devices, span, ("location",)))
    memory.connection.execute("SET VARIABLE tenant = ?", [piece.tenant])
    memory.connection.execute("SET VARIABLE metric_names = ?", [list(metrics) or [""]])
    rows = memory.connection.execute(statement("device_readings")).to_arrow_table()
    flat = rows["figures"].combine_chunks().flatten().to_pylist()
    width = max(1, len(metrics))
    figures = {name: flat[place::width] for place, name in enumerate(metrics)}
    places = (rows["lat"].to_pylist(), rows["lon"].to_pylist())
    return in_order(readings_of(rows["event_time_ms"].to_pylist(), figures, places))
