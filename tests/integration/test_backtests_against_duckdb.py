"""Backtests of all recorded air-quality rows, against DuckDB's window functions and against live."""

import random
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from operator import attrgetter

import duckdb
import pytest
from pyiceberg.table import Table

from bench.air_quality_lake import (
    CASES,
    DATASET,
    HOUR_MS,
    TENANT,
    Recording,
    fill,
    make_lake,
    recorded_readings,
)
from bench.backtest_cost import found_instances, run
from bench.replay_trial import data_folder
from tests.oracle.alerts import Instance
from tests.oracle.expected import files_of
from tests.unit.rule_cases import Keeper, book_of
from udfs.rules.alerts import Alert
from udfs.rules.model import parse_rule
from udfs.rules.reading import RuleDevice, RuleReading
from udfs.rules.rule_book import RuleBook
from udfs.rules.runner import DeviceRunner

pytestmark = [
    pytest.mark.integration,
    pytest.mark.alerts,
    pytest.mark.skipif(
        not data_folder().is_dir(), reason=f"no recorded data at {data_folder()}; set DATA_FOLDER"
    ),
]


@pytest.fixture(scope="module")
def recording() -> Iterator[Recording]:
    with duckdb.connect() as connection:
        yield Recording(connection, files_of(data_folder(), DATASET))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    with closing(make_lake(tmp_path_factory.mktemp("air"))) as lake:
        fill(lake, files_of(data_folder(), DATASET))
        yield lake.load_table(("iot", "readings"))


@pytest.mark.parametrize("name", CASES)
def test_a_backtest_over_all_rows_comes_to_the_alerts_of_window_functions(
    name: str, recording: Recording, table: Table
) -> None:
    found = run(table, CASES[name].when, recording)
    assert found.verdict.fired > 8
    assert found_instances(found) == recording.instances(CASES[name])


def test_a_backtest_over_all_rows_comes_to_the_alerts_of_the_live_runner(
    recording: Recording, table: Table
) -> None:
    rules = {
        name: parse_rule({"rule": f"r{place}", "when": CASES[name].when}) for place, name in enumerate(CASES)
    }
    book = book_of(*rules.values())
    alerts: dict[str, dict[str, list[Instance]]] = {rule.rule: {} for rule in rules.values()}
    stations = groupby(recorded_readings(files_of(data_folder(), DATASET)), attrgetter("device_id"))
    for device_id, own in stations:
        readings = [RuleReading(record.time_ms, record.metrics) for record in own]
        for alert in live(device_id, readings, book, recording.last_ms):
            found = alerts[alert.rule].setdefault(device_id, [])
            found.append((alert.onset_ms, alert.raised_ms, alert.cleared_ms))
    for name, rule in rules.items():
        assert found_instances(run(table, CASES[name].when, recording)) == alerts[rule.rule]


def live(device_id: str, readings: list[RuleReading], book: RuleBook, until_ms: int) -> list[Alert]:
    """Run readings as they might arrive: up to six hours out of order, one in ten twice."""
    chance = random.Random(7)
    sent = readings + chance.sample(readings, len(readings) // 10)
    sent.sort(key=lambda reading: reading.event_time_ms + chance.randrange(6 * HOUR_MS))
    device = RuleDevice(TENANT, device_id)
    runner, keeper, newest_ms = DeviceRunner(device, book), Keeper(), 0
    for number, reading in enumerate(sent):
        newest_ms = max(newest_ms, reading.event_time_ms)
        keeper.take(runner.take([reading]).changes)
        if number % 7 == 0:
            keeper.take(runner.pass_time(newest_ms - 6 * HOUR_MS))
    keeper.take(runner.pass_time(until_ms))
    return keeper.sorted()
