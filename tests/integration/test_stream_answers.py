"""What devices send over HTTP shows up, once and with the right figures, in every place people look."""

from itertools import groupby
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from millrace.clock import now_ms
from millrace.settings import Settings
from tests.integration.streaming import lake_rows, millrace, redis_panes, send, series, until
from udfs.hot_series import PANE_MS, Pane

pytestmark = [pytest.mark.integration, pytest.mark.stream, pytest.mark.timeout(240)]

SOON_S = 20
# 30 s of silence until the idle clock starts, 10 s out-of-orderness, and at worst a whole minute to close.
WINDOWS_CLOSE_S = 150
AGES_MS = (4_100, 3_900, 3_000, 1_000, 2_000, 700, 0)
VALUES = (20.0, 1e-300, -7.5, 1e300, 0.1, 22.25, 21.5)
METRICS = ("temperature_c", "humidity_pct")
POSITION = {"lat": 52.5, "lon": 13.4, "alt_m": None}


class Sent(NamedTuple):
    """What one device sent: readings as the gateway got them, the first of them twice."""

    device_id: str
    readings: list[dict[str, Any]]
    dead_letters: int


def reading(device_id: str, number: int, event_time_ms: int) -> dict[str, Any]:
    metrics = {"temperature_c": VALUES[number], "humidity_pct": float(number)}
    return {"device_id": device_id, "event_id": f"e{number}", "event_time": event_time_ms, "metrics": metrics}


@pytest.fixture(scope="module")
def sent(stack: Settings) -> Sent:
    device_id, now = f"hall.4:{uuid4().hex[:8]}", now_ms()
    before = millrace("ledger")["dead_letters"]
    readings = [reading(device_id, number, now - age) for number, age in enumerate(AGES_MS)]
    readings[-1]["location"] = POSITION
    send(stack, *readings)
    # Same event_id, another value: were it counted, every figure below would be off.
    again = readings[0] | {"metrics": {"temperature_c": 99.0, "humidity_pct": 99.0}}
    poison = {"device_id": device_id, "metrics": {"temperature_c": "warm"}}
    assert [refused["index"] for refused in send(stack, again, poison)["rejected"]] == [1]
    return Sent(device_id, readings, before)


def expected(sent: Sent, metric: str, width_ms: int) -> dict[int, Pane]:
    """Aggregate the readings by hand, windows of `width_ms` by start."""
    points = sorted((one["event_time"], one["metrics"][metric]) for one in sent.readings)
    windows = groupby(points, lambda point: point[0] // width_ms * width_ms)
    return {start: _window(start, [value for _, value in inside]) for start, inside in windows}


def _window(start_ms: int, values: list[float]) -> Pane:
    return Pane(start_ms, len(values), min(values), max(values), sum(values), values[0], values[-1])


def same(pane: Pane, wanted: Pane) -> bool:
    exact = pane._replace(total=0.0) == wanted._replace(total=0.0)
    return exact and pane.total == pytest.approx(wanted.total, rel=1e-12)


def test_the_newest_value_of_each_metric_is_in_the_answer(stack: Settings, sent: Sent) -> None:
    def newest() -> dict[str, Any]:
        latest: dict[str, Any] = series(stack, sent.device_id).get("latest", {})
        return {metric: (each["value"], each["time_ms"]) for metric, each in latest.items()}

    time_ms = sent.readings[-1]["event_time"]
    wanted = {"temperature_c": (21.5, time_ms), "humidity_pct": (6.0, time_ms)}
    until(newest, lambda found: found == wanted, SOON_S)


def test_every_message_is_stored_once_and_the_second_one_is_marked(stack: Settings, sent: Sent) -> None:
    rows = until(
        lambda: lake_rows(stack, "readings", sent.device_id), lambda rows: len(rows) > len(VALUES), SOON_S
    )
    marks = [(row["event_id"], row["mark"]) for row in sorted(rows, key=lambda row: row["kafka_offset"])]
    assert marks == [*((f"e{number}", "on_time") for number in range(len(VALUES))), ("e0", "duplicate")]
    assert len({(row["kafka_partition"], row["kafka_offset"]) for row in rows}) == len(rows)
    stored = {row["event_id"]: row for row in rows if row["mark"] == "on_time"}
    for one in sent.readings:
        row = stored[one["event_id"]]
        assert dict(row["metrics"]) == one["metrics"]
        assert round(row["event_time"].timestamp() * 1000) == one["event_time"]
        assert row["location"] == one.get("location")
        assert (row["tenant"], row["source"]) == (stack.tenant, "http")


def test_what_was_refused_is_a_dead_letter_and_the_books_balance(stack: Settings, sent: Sent) -> None:
    found = millrace("ledger")
    assert found["balanced"] is True
    assert found["accepted"] == found["stored"] > len(VALUES)
    assert found["on_time"] + found["late"] + found["duplicate"] == found["stored"]
    assert found["dead_letters"] == sent.dead_letters + 1


def test_panes_close_while_devices_are_silent_and_leave_the_duplicate_out(
    stack: Settings, sent: Sent
) -> None:
    newest_ms = sent.readings[-1]["event_time"]
    wanted = {metric: list(expected(sent, metric, PANE_MS).values()) for metric in METRICS}
    found = until(
        lambda: {metric: redis_panes(stack, sent.device_id, metric, newest_ms) for metric in METRICS},
        lambda panes: all(len(panes[metric]) >= len(wanted[metric]) for metric in METRICS),
        WINDOWS_CLOSE_S,
    )
    for metric in METRICS:
        assert all(same(*pair) for pair in zip(found[metric], wanted[metric], strict=True)), (found, wanted)


def test_the_answer_shows_the_same_panes(stack: Settings, sent: Sent) -> None:
    points = series(stack, sent.device_id)["series"]["temperature_c"]
    fields = ("time_ms", "count", "min", "max", "sum", "first", "last")
    found = [Pane(*(point[name] for name in fields)) for point in points]
    wanted = list(expected(sent, "temperature_c", PANE_MS).values())
    assert all(same(*pair) for pair in zip(found, wanted, strict=True)), (found, wanted)


def test_minutes_in_the_lake_equal_the_readings(stack: Settings, sent: Sent) -> None:
    wanted = expected(sent, "temperature_c", 60_000)
    rows = until(
        lambda: lake_rows(stack, "rollups_1m", sent.device_id),
        lambda rows: sum(row["metric"] == "temperature_c" for row in rows) >= len(wanted),
        WINDOWS_CLOSE_S,
    )
    fields = ("count", "min", "max", "sum", "first", "last")
    found = {
        round(row["window_start"].timestamp() * 1000): row for row in rows if row["metric"] == "temperature_c"
    }
    assert found.keys() == wanted.keys()
    for start_ms, row in found.items():
        assert same(Pane(start_ms, *(row[name] for name in fields)), wanted[start_ms])
        assert (row["late_count"], row["revision"], row["complete"]) == (0, 0, True)


def test_a_reading_behind_the_watermark_is_stored_and_marked_late(stack: Settings, sent: Sent) -> None:
    """The panes of this device closed before, so the watermark of its partition has passed them."""
    send(stack, reading(sent.device_id, 0, sent.readings[0]["event_time"] - 60_000) | {"event_id": "late"})
    rows = until(
        lambda: lake_rows(stack, "readings", sent.device_id),
        lambda rows: any(row["event_id"] == "late" for row in rows),
        SOON_S,
    )
    assert [row["mark"] for row in rows if row["event_id"] == "late"] == ["late"]
