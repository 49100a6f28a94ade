"""Expected readings and windows of a replay, from the recorded files by SQL written for each data set."""

from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pandas as pd

HERE = Path(__file__).resolve().parent


class DataSet(NamedTuple):
    """A recorded data set: its files below the data folder, its shipped mapping, its separator."""

    sql: str
    mapping: str
    pattern: str
    separator: str


DATA_SETS = {
    "air-quality": DataSet("air_quality.sql", "air-quality", "air-quality/*.csv.gz", ","),
    "skab": DataSet("skab.sql", "skab", "skab/valve1/*.csv", ";"),
    "nab": DataSet("nab.sql", "nab-machine-temperature", "nab/machine_temperature*.csv", ","),
}


class Sent(NamedTuple):
    """How a recording was sent; `start_ms` None means event time was kept."""

    prefix: str = ""
    tag: str = ""
    start_ms: int | None = None
    compress: int = 1
    limit: int | None = None


def files_of(folder: Path, name: str) -> list[Path]:
    """List a data set's files in the order they are given to the replay."""
    return sorted(folder.glob(DATA_SETS[name].pattern))


def expect(connection: duckdb.DuckDBPyConnection, name: str, files: list[Path], sent: Sent) -> None:
    """Make the tables `expected_readings` and `expected_points`."""
    connection.register("recording_frame", _frame(files, DATA_SETS[name].separator))
    connection.execute("CREATE TABLE recording AS FROM recording_frame")
    for variable, value in sent._asdict().items():
        _set(connection, f"sent_{variable}", value)
    _run(connection, HERE / "recordings" / DATA_SETS[name].sql)
    _run(connection, HERE / "expected.sql")


def name_by_content(connection: duckdb.DuckDBPyConnection) -> None:
    """Name `expected_readings` and `actual_readings` by their content: the replay gives no ids."""
    _run(connection, HERE / "by_content.sql")
    connection.unregister("actual_readings")
    connection.execute("CREATE TABLE actual_readings AS FROM named_readings")


def expect_windows(connection: duckdb.DuckDBPyConnection, window_ms: int) -> None:
    """Make the table `expected_windows` for windows of `window_ms`."""
    _set(connection, "window_ms", window_ms)
    _run(connection, HERE / "windows.sql")


def _set(connection: duckdb.DuckDBPyConnection, variable: str, value: Any) -> None:
    connection.execute(f"SET VARIABLE {variable} = ?", [value])


def _run(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    connection.execute(path.read_text())


def _frame(files: list[Path], separator: str) -> pd.DataFrame:
    return pd.concat([_file(number, path, separator) for number, path in enumerate(files)], ignore_index=True)


def _file(number: int, path: Path, separator: str) -> pd.DataFrame:
    frame = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    frame["file_no"] = number
    frame["row_no"] = range(1, len(frame) + 1)
    frame["folder"] = path.resolve().parent.name
    frame["stem"] = path.name.split(".")[0]
    return frame
