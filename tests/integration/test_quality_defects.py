"""Each injected defect is found by the check that is there for it alone; a clean day passes all."""

from collections.abc import Iterator
from typing import Any

import pytest

from catalog.quality.suite import suites
from catalog.quality.terms import Pause, Terms
from tests.integration.quality_lake import DAY_MS, NOW_MS, TERMS, Defect, QualityLake, Rows, at, clean_rows

pytestmark = [pytest.mark.integration, pytest.mark.lakehouse]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QualityLake]:
    found = QualityLake(tmp_path_factory.mktemp("lake"))
    found.write(clean_rows())
    yield found
    found.lake.close()


def metrics(row: dict[str, Any], **values: float) -> None:
    row["metrics"] = list((dict(row["metrics"]) | values).items())


def halved(rows: Rows) -> None:
    of_one = [row for row in rows["readings"] if row["device_id"] == "pump-2"]
    gone = {row["event_id"] for row in of_one[10:300:2]}
    rows["readings"] = [row for row in rows["readings"] if row["event_id"] not in gone]


# Each defect with the table it is in and the check that must find it.
DEFECTS: list[tuple[str, str, Defect]] = [
    ("readings", "metrics_not_above_range", lambda rows: metrics(rows["readings"][40], temperature_c=85.5)),
    ("readings", "metrics_not_below_range", lambda rows: metrics(rows["readings"][44], humidity_pct=-0.5)),
    ("readings", "metrics_finite", lambda rows: metrics(rows["readings"][40], temperature_c=float("nan"))),
    ("readings", "metrics_finite", lambda rows: metrics(rows["readings"][48], humidity_pct=float("inf"))),
    ("readings", "metrics_present", lambda rows: rows["readings"][40].update(metrics=None)),
    (
        "readings",
        "kafka_coordinates_unique",
        lambda rows: rows["readings"].append(dict(rows["readings"][100])),
    ),
    (
        "readings",
        "event_time_not_ahead",
        lambda rows: rows["readings"][80].update(
            received_at=rows["readings"][80]["event_time"] - 301_000_000
        ),
    ),
    ("readings", "mark_known", lambda rows: rows["readings"][60].update(mark="early")),
    ("readings", "interval_kept", halved),
    ("rollups_1m", "count_positive", lambda rows: rows["rollups_1m"][50].update(count=0, sum=0.0)),
    ("rollups_1m", "min_avg_max_in_order", lambda rows: rows["rollups_1m"][50].update(sum=0.4)),
    (
        "rollups_1m",
        "newest_revision_unique",
        lambda rows: rows["rollups_1m"].append(dict(rows["rollups_1m"][70])),
    ),
    ("sessions", "end_not_before_start", lambda rows: rows["sessions"][0].update(session_end=at(-1))),
    ("sessions", "readings_positive", lambda rows: rows["sessions"][1].update(readings=0)),
    ("sessions", "newest_revision_unique", lambda rows: rows["sessions"].append(dict(rows["sessions"][2]))),
    ("alert_events", "kind_known", lambda rows: rows["alert_events"][1].update(kind="forgotten")),
    ("alert_events", "severity_known", lambda rows: rows["alert_events"][1].update(severity="fatal")),
    ("alert_events", "onset_not_after_change", lambda rows: rows["alert_events"][1].update(onset=at(91))),
    ("dead_letters", "reason_known", lambda rows: rows["dead_letters"][0].update(reason="bad_mood")),
    ("dead_letters", "kafka_coordinates_unique", lambda rows: rows["dead_letters"][1].update(kafka_offset=0)),
    ("ledger", "balanced", lambda rows: rows["ledger"][2].update(balanced=False)),
]


def test_a_clean_day_passes_every_check_of_every_suite(lake: QualityLake) -> None:
    found = lake.look()
    assert {(one.suite, one.check) for one in found} == {
        (suite.name, check.check) for suite in suites().values() for check in suite.checks
    }
    assert [one for one in found if not one.passed] == []


@pytest.mark.parametrize(
    ("table", "check", "defect"), DEFECTS, ids=[f"{t}.{c}-{i}" for i, (t, c, _) in enumerate(DEFECTS)]
)
def test_a_defect_is_found_by_its_check_alone(
    lake: QualityLake, table: str, check: str, defect: Defect
) -> None:
    clean, rows = clean_rows(), clean_rows()
    defect(rows)
    lake.write({table: rows[table]})
    try:
        # Each suite reads its own table only: what is wrong in one cannot show in another.
        failed = {one.check: one for one in lake.look(table=table) if not one.passed}
        assert set(failed) == {check}
        (found,) = failed.values()
        # Of rows that should be unique both are meant.
        assert 1 <= found.unexpected_count <= 2
        assert found.examples
    finally:
        lake.write({table: clean[table]})


def test_every_check_has_a_defect_that_it_finds() -> None:
    tried = {(table, check) for table, check, _ in DEFECTS} | {("readings", "fresh")}
    assert tried == {(suite.name, check.check) for suite in suites().values() for check in suite.checks}


def test_a_table_nothing_came_to_for_a_quarter_of_an_hour_is_stale(lake: QualityLake) -> None:
    lake.terms = Terms()
    assert lake.failed(NOW_MS + 800_000) == set()
    assert lake.failed(NOW_MS + 920_000) == {"fresh"}
    lake.terms = TERMS


def test_a_day_that_is_over_is_not_asked_for_news(lake: QualityLake) -> None:
    lake.terms = Terms()
    assert lake.failed(DAY_MS + 90_000_000) == set()
    lake.terms = TERMS


def test_a_day_without_rows_has_nothing_wrong(lake: QualityLake) -> None:
    found = lake.look(NOW_MS, DAY_MS - 86_400_000)
    assert found
    assert [one for one in found if not one.passed] == []


def test_silence_that_was_announced_is_not_missing(lake: QualityLake) -> None:
    rows = clean_rows()
    quiet = range(at(1_200), at(2_400))
    rows["readings"] = [
        row for row in rows["readings"] if row["device_id"] != "pump-1" or row["event_time"] not in quiet
    ]
    lake.write({"readings": rows["readings"]})
    assert lake.failed() == {"interval_kept"}
    lake.terms = TERMS._replace(pauses=[Pause("demo", "pump-1", DAY_MS + 1_200_000, DAY_MS + 2_400_000)])
    assert lake.failed() == set()
    lake.terms = TERMS
    lake.write({"readings": clean_rows()["readings"]})
