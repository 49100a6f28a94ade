"""Expected alerts by engines that are not ours: DuckDB's window functions and Flink's MATCH_RECOGNIZE."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import duckdb
import pandas as pd

HERE = Path(__file__).resolve().parent
# Onset, raised, cleared (None = open), epoch milliseconds.
Instance = tuple[int, int, int | None]


def expected_alerts(
    kind: Literal["threshold", "count"], points: Iterable[tuple[int, float]], **variables: float
) -> list[Instance]:
    """Return the alerts of points (epoch ms, value); `variables` are those named in alerts.sql."""
    frame = pd.DataFrame(points, columns=["at_ms", "value"])
    with duckdb.connect() as connection:
        connection.register("points", frame)
        for name, value in variables.items():
            connection.execute(f"SET VARIABLE {name} = ?", [value])
        connection.execute((HERE / "alerts.sql").read_text())
        return connection.execute(f"SELECT onset_ms, raised_ms, cleared_ms FROM {kind}_alerts").fetchall()


def recorded(folder: Path, column: str) -> list[tuple[int, float]]:
    """Return a column of a recording's CSV files, all files as one device, as (epoch ms, value)."""
    separator = ";" if "skab" in folder.parts else ","
    frames = [pd.read_csv(path, sep=separator) for path in sorted(folder.glob("*.csv"))]
    whole = pd.concat(frames, ignore_index=True)
    times = pd.to_datetime(whole.iloc[:, 0]).astype("datetime64[ms]").astype("int64")
    return list(zip(times.tolist(), whole[column].astype("float64").tolist(), strict=True))


def sequence_sql(steps: list[str], within_ms: int, without: str) -> str:
    """Return a MATCH_RECOGNIZE over table `readings` (at_ms, rowtime ts, v, w).

    WITHIN is exclusive in Flink, so it is one millisecond more; conditions are SQL, `without` may be empty.
    """
    names = [f"S{number}" for number in range(len(steps))]
    gaps = [f" G{number}*? " for number in range(1, len(steps))]
    pattern = "".join(name + gap for name, gap in zip(names, [*gaps, ""], strict=True))
    define = [f"{name} AS {condition}" for name, condition in zip(names, steps, strict=True)]
    if without:
        define += [f"{gap.strip()[:-2]} AS NOT ({without})" for gap in gaps]
    return f"""
        SELECT onset_ms, raised_ms FROM readings MATCH_RECOGNIZE (
          ORDER BY ts
          MEASURES FIRST({names[0]}.at_ms) AS onset_ms, LAST({names[-1]}.at_ms) AS raised_ms
          ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW
          PATTERN ({pattern}) WITHIN INTERVAL '{(within_ms + 1) / 1000:.3f}' SECOND(6, 3)
          DEFINE {", ".join(define)}
        )"""
