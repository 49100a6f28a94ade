"""`/data` against a real Redis, written as the rollups job writes it."""

import random
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.series_answers import SeriesAnswer
from millrace.clock import to_iso
from tests.integration.conftest import NOW_MS, Writer
from udfs.hot_series import PANE_MS, Pane

pytestmark = [pytest.mark.integration, pytest.mark.web]
HOUR_MS = 3_600_000
NEWEST_PANE_MS = NOW_MS // PANE_MS * PANE_MS


def pane(start_ms: int, value: float) -> Pane:
    return Pane(start_ms, 3, value - 1, value + 1, 3 * value, value - 0.5, value + 0.5)


def panes(hours: float) -> list[Pane]:
    count = int(hours * HOUR_MS / PANE_MS)
    return [pane(NEWEST_PANE_MS - place * PANE_MS, float(place % 50)) for place in range(count)]


def ask(web: TestClient, device_id: str = "d1", **parameters: Any) -> Any:
    reply = web.get(f"/data/{device_id}", params=parameters)
    assert reply.status_code == 200, reply.text
    SeriesAnswer.model_validate(reply.json())
    return reply.json()


def write(writer: Writer, written: list[Pane], metric: str = "temperature_c") -> None:
    for each in written:
        writer.pane("d1", metric, each)
    writer.latest("d1", NOW_MS - 2_000, {metric: 21.5})


def test_the_default_is_the_last_hour_of_all_metrics_in_10_s_points(web: TestClient, writer: Writer) -> None:
    write(writer, panes(2))
    write(writer, panes(2), "humidity_pct")
    answer = ask(web)
    assert answer["resolution"] == "10s"
    assert list(answer["series"]) == ["humidity_pct", "temperature_c"]
    assert len(answer["series"]["temperature_c"]) == 361
    assert answer["series"]["temperature_c"][-1] == {
        "time": to_iso(NEWEST_PANE_MS),
        "time_ms": NEWEST_PANE_MS,
        "count": 3,
        "min": -1.0,
        "max": 1.0,
        "avg": 0.0,
        "sum": 0.0,
        "first": -0.5,
        "last": 0.5,
        "open": True,
    }


def test_the_answer_says_where_from_how_fresh_and_how_complete_it_is(web: TestClient, writer: Writer) -> None:
    write(writer, panes(1))
    answer = ask(web)
    assert answer["tiers"] == ["hot"]
    assert answer["freshness"] == {
        "newest_event_time": to_iso(NOW_MS - 2_000),
        "newest_event_time_ms": NOW_MS - 2_000,
        "age_ms": 2_000,
        "newest_pane": to_iso(NEWEST_PANE_MS),
        "newest_pane_ms": NEWEST_PANE_MS,
    }
    assert (answer["complete"], answer["range_held"], answer["last_point_open"]) == (False, True, True)
    assert answer["latest"]["temperature_c"]["value"] == 21.5


def test_a_range_whose_last_point_has_settled_is_complete(web: TestClient, writer: Writer) -> None:
    write(writer, panes(1))
    settled = ask(web, to="-20s")
    assert (settled["complete"], settled["last_point_open"], settled["gaps"]) == (True, False, [])
    assert ask(web, to="-9s")["last_point_open"] is True


@pytest.mark.parametrize(("resolution", "step_ms"), [("1m", 60_000), ("5m", 300_000), ("1h", HOUR_MS)])
def test_coarser_points_are_computed_from_all_their_panes(
    web: TestClient, writer: Writer, resolution: str, step_ms: int
) -> None:
    written = panes(3)
    write(writer, written)
    answer = ask(web, **{"from": "-2h", "resolution": resolution})
    assert answer["from_ms"] % step_ms == answer["to_ms"] % step_ms == 0
    for point in answer["series"]["temperature_c"]:
        inside = sorted(each for each in written if each.start_ms // step_ms * step_ms == point["time_ms"])
        assert point["count"] == sum(each.readings for each in inside)
        assert point["min"] == min(each.minimum for each in inside)
        assert point["max"] == max(each.maximum for each in inside)
        assert point["avg"] == pytest.approx(sum(each.total for each in inside) / point["count"])
        assert (point["first"], point["last"]) == (inside[0].first, inside[-1].last)


def test_panes_written_late_twice_and_out_of_order_give_the_same_answer(
    web: TestClient, writer: Writer
) -> None:
    written = panes(1)
    write(writer, written)
    in_order = ask(web)
    writer.client.flushall()
    shuffled = written + written[::3]
    random.Random(3).shuffle(shuffled)
    write(writer, shuffled)
    assert ask(web) == in_order


def test_a_corrected_pane_replaces_the_first_and_touches_no_neighbour(
    web: TestClient, writer: Writer
) -> None:
    write(writer, panes(1))
    before = ask(web)["series"]["temperature_c"]
    writer.pane("d1", "temperature_c", Pane(NEWEST_PANE_MS - PANE_MS, 9, 0.0, 90.0, 180.0, 1.0, 2.0))
    after = ask(web)["series"]["temperature_c"]
    assert [place for place, point in enumerate(after) if point != before[place]] == [len(after) - 2]
    assert after[-2]["avg"] == 20.0


def test_panes_without_readings_are_left_out_not_zero(web: TestClient, writer: Writer) -> None:
    write(writer, [pane(NEWEST_PANE_MS, 1.0), pane(NEWEST_PANE_MS - 30 * PANE_MS, 2.0)])
    times = [point["time_ms"] for point in ask(web)["series"]["temperature_c"]]
    assert times == [NEWEST_PANE_MS - 30 * PANE_MS, NEWEST_PANE_MS]


def test_a_full_day_is_held_to_its_first_point(web: TestClient, writer: Writer) -> None:
    write(writer, panes(25))
    answer = ask(web, **{"from": "-24h", "to": "-1m", "resolution": "10s"})
    assert (answer["complete"], answer["gaps"]) == (True, [])
    assert len(answer["series"]["temperature_c"]) == (answer["to_ms"] - answer["from_ms"]) // PANE_MS


def test_a_range_that_begins_before_the_hot_tier_names_the_gap(web: TestClient, writer: Writer) -> None:
    write(writer, panes(1))
    answer = ask(web, **{"from": "-3d", "to": "-1m"})
    (gap,) = answer["gaps"]
    assert (gap["from"], gap["to"], gap["reason"]) == (
        answer["from"],
        "2026-01-30T12:00:00.000Z",
        "lake-unavailable",
    )
    assert (answer["complete"], answer["range_held"]) == (False, False)
    assert answer["series"]["temperature_c"]


def test_a_range_that_is_older_than_the_hot_tier_is_never_a_silent_empty_answer(
    web: TestClient, writer: Writer
) -> None:
    write(writer, panes(1))
    answer = ask(web, **{"from": "2013-03-01", "to": "2013-03-02"})
    assert (answer["tiers"], answer["series"], answer["complete"]) == ([], {"temperature_c": []}, False)
    assert "cannot answer now" in answer["gaps"][0]["notice"]
    assert (answer["gaps"][0]["from_ms"], answer["gaps"][0]["to_ms"]) == (answer["from_ms"], answer["to_ms"])


def test_a_range_in_the_far_future_reads_nothing_and_says_so(web: TestClient, writer: Writer) -> None:
    write(writer, panes(1))
    assert ask(web, to="9998-01-01")["gaps"][0]["reason"] == "future"


def test_only_the_metrics_asked_for_are_answered_each_once(web: TestClient, writer: Writer) -> None:
    for metric in ("a", "b", "c"):
        write(writer, panes(0.1), metric)
    assert list(ask(web, metric=["c", "a", "c"])["series"]) == ["c", "a"]


def test_names_with_every_odd_character_find_their_series(web: TestClient, writer: Writer) -> None:
    writer.pane("gerät:1", "t:°c", pane(NEWEST_PANE_MS, 1.0))
    writer.latest("gerät:1", NOW_MS, {"t:°c": 1.0})
    assert len(ask(web, "gerät:1")["series"]["t:°c"]) == 1


@pytest.mark.parametrize(
    ("parameters", "status", "kind", "where"),
    [
        ({"from": "gestern"}, 422, "wrong-parameter", "from"),
        ({"to": "1769860800"}, 422, "wrong-parameter", "to"),
        ({"from": "now", "to": "-1h"}, 422, "wrong-parameter", "from"),
        ({"resolution": "2m"}, 422, "wrong-parameter", "resolution"),
        ({"tenant": "a b"}, 422, "wrong-parameter", "tenant"),
        ({"metric": "nope"}, 404, "unknown-metric", "metric"),
        # Whether the registry knows it cannot be told here: PostgreSQL is away.
        ({"tenant": "other"}, 503, "store-unavailable", "postgres"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_that_names_the_parameter(
    web: TestClient, writer: Writer, parameters: dict[str, str], status: int, kind: str, where: str
) -> None:
    write(writer, panes(0.1))
    reply = web.get("/data/d1", params=parameters)
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert (reply.status_code, problem["status"], problem["where"]) == (status, status, where)
    assert problem["type"] == f"urn:millrace:problem:{kind}"
    assert problem["mend"]


def test_more_than_one_answer_can_carry_is_refused(web: TestClient, writer: Writer) -> None:
    writer.latest("d1", NOW_MS, {f"m{number}": 1.0 for number in range(90)})
    assert web.get("/data/d1").status_code == 200
    reply = web.get("/data/d1", params={"from": "-24h", "resolution": "10s"})
    assert (reply.status_code, reply.json()["where"]) == (422, "metric")
