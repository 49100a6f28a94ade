"""Expected alerts of sequences by DuckDB; the tests of sequences lay them beside MATCH_RECOGNIZE."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pandas as pd

from tests.oracle.alerts import Instance

HERE = Path(__file__).resolve().parent
# A column, `>` or `<`, and the limit.
Bound = tuple[str, str, float]


def expected_sequences(
    readings: pd.DataFrame,
    steps: Sequence[Bound],
    within_ms: int,
    clear_ms: int,
    without: Bound | None = None,
) -> list[Instance]:
    """Return the alerts of readings (`at_ms`, a column per metric), as if time passed on after the last.

    Readings of one time go by their values. What lacks a metric is no step and breaks nothing.
    """
    order = ", ".join(f'"{column}"' for column in ("at_ms", *sorted(set(readings) - {"at_ms"})))
    flags = ", ".join(_condition(step) for step in steps)
    with duckdb.connect() as connection:
        connection.register("given", readings)
        connection.execute(
            f"CREATE TABLE moments AS SELECT row_number() OVER (ORDER BY {order}) AS place, at_ms, "
            f"[{flags}] AS fulfils, {_condition(without)} AS breaks FROM (SELECT DISTINCT * FROM given)"
        )
        variables = {"steps": len(steps), "within_ms": within_ms, "clear_ms": clear_ms}
        for name, value in variables.items():
            connection.execute(f"SET VARIABLE {name} = ?", [value])
        connection.execute((HERE / "sequences.sql").read_text())
        return connection.execute("FROM sequence_alerts ORDER BY onset_ms").fetchall()


def _condition(bound: Bound | None) -> str:
    return "false" if bound is None else f'coalesce("{bound[0]}" {bound[1]} {bound[2]}, false)'
