"""Sequences on recorded data against Flink's MATCH_RECOGNIZE in batch mode, match by match."""

from typing import Any

import pandas as pd
import pytest
from pyflink.table import EnvironmentSettings, TableEnvironment

from bench.replay_trial import data_folder
from tests.oracle.alerts import sequence_sql
from tests.oracle.sequences import expected_sequences
from tests.unit.rule_cases import DEVICE, rule
from udfs.rules.history import alerts_of
from udfs.rules.reading import RuleReading

pytestmark = [
    pytest.mark.flink,
    pytest.mark.alerts,
    pytest.mark.skipif(
        not data_folder().is_dir(), reason=f"no recorded data at {data_folder()}; set DATA_FOLDER"
    ),
]

FILES = 5
MOST_ROWS = 6000
Bound = tuple[str, str, float]
# Steps, within (ms), without; v is the current, w the flow.
CASES: list[tuple[str, list[Bound], int, Bound | None]] = [
    ("A then B", [("v", ">", 1.3), ("w", "<", 31.5)], 20_000, None),
    ("the bound itself counts", [("v", ">", 1.3), ("v", "<", 0.7)], 2_000, None),
    ("A then B without C", [("v", ">", 1.3), ("w", "<", 31.5)], 60_000, ("v", "<", 0.7)),
    ("A then B then C", [("v", ">", 1.5), ("v", "<", 0.6), ("w", "<", 31.5)], 30_000, None),
    (
        "three steps without a fourth",
        [("v", ">", 1.2), ("v", "<", 0.8), ("v", ">", 1.4)],
        10_000,
        ("w", "<", 31),
    ),
    ("a row that is A and B", [("v", ">", 1.2), ("v", ">", 1.2)], 5_000, None),
]
WORDS = {">": "above", "<": "below"}


@pytest.fixture(scope="module")
def readings() -> "pd.DataFrame":
    paths = sorted((data_folder() / "skab" / "valve1").glob("*.csv"))[:FILES]
    whole = pd.concat([pd.read_csv(path, sep=";") for path in paths]).sort_values("datetime")
    times = pd.to_datetime(whole["datetime"]).astype("datetime64[ms]").astype("int64")
    frame = pd.DataFrame({"at_ms": times, "v": whole["Current"], "w": whole["Volume Flow RateRMS"]})
    return frame.drop_duplicates("at_ms").head(MOST_ROWS).reset_index(drop=True)


@pytest.fixture(scope="module")
def tables(readings: "pd.DataFrame", tmp_path_factory: pytest.TempPathFactory) -> TableEnvironment:
    place = tmp_path_factory.mktemp("readings") / "readings.json"
    readings.to_json(place, orient="records", lines=True, double_precision=15)
    environment = TableEnvironment.create(EnvironmentSettings.in_batch_mode())
    environment.get_config().set("execution.target", "local").set("parallelism.default", "1")
    environment.execute_sql(f"""
        CREATE TEMPORARY TABLE readings (
          at_ms BIGINT, v DOUBLE, w DOUBLE, ts AS TO_TIMESTAMP_LTZ(at_ms, 3), WATERMARK FOR ts AS ts
        ) WITH ('connector' = 'filesystem', 'path' = '{place.as_uri()}', 'format' = 'json')""")
    return environment


@pytest.fixture(scope="module")
def matches(tables: TableEnvironment) -> dict[str, list[tuple[int, int]]]:
    """Return onset and end of every match, by the case; one job finds those of all."""
    queries = [
        f"SELECT '{name}' AS found, * FROM ({sequence_sql(list(map(sql, steps)), within_ms, sql(without))})"
        for name, steps, within_ms, without in CASES
    ]
    found: dict[str, list[tuple[int, int]]] = {name: [] for name, *_ in CASES}
    with tables.execute_sql(" UNION ALL ".join(queries)).collect() as rows:
        for name, onset_ms, end_ms in rows:
            found[name].append((onset_ms, end_ms))
    return {name: sorted(pairs) for name, pairs in found.items()}


def sql(one: Bound | None) -> str:
    return "" if one is None else f"{one[0]} {one[1]} {one[2]}"


def bound(one: Bound) -> dict[str, Any]:
    return {"metric": one[0], WORDS[one[1]]: one[2]}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_sequences_are_the_matches_of_match_recognize(
    matches: dict[str, list[tuple[int, int]]],
    readings: "pd.DataFrame",
    case: tuple[str, list[Bound], int, Bound | None],
) -> None:
    name, steps, within_ms, without = case
    rows = zip(readings["at_ms"].tolist(), readings["v"].tolist(), readings["w"].tolist(), strict=True)
    given = [RuleReading(at_ms, {"v": v, "w": w}) for at_ms, v, w in rows]
    assert len(matches[name]) > 2, "the limits of this case match too little to show anything"
    alerts = alerts_of(rule(when(steps, within_ms, without)), DEVICE, given)
    assert [(alert.onset_ms, alert.raised_ms) for alert in alerts] == matches[name]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_the_duckdb_oracle_of_live_runs_finds_the_same_matches(
    matches: dict[str, list[tuple[int, int]]],
    readings: "pd.DataFrame",
    case: tuple[str, list[Bound], int, Bound | None],
) -> None:
    name, steps, within_ms, without = case
    found = expected_sequences(readings, steps, within_ms, within_ms, without)
    assert [alert[:2] for alert in found] == matches[name]


def when(steps: list[Bound], within_ms: int, without: Bound | None) -> dict[str, Any]:
    written = [{"as": f"s{number}"} | bound(one) for number, one in enumerate(steps)]
    barred = {} if without is None else {"without": bound(without)}
    return {"kind": "sequence", "within_s": within_ms / 1000, "steps": written} | barred
