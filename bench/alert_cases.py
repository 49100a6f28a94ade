"""The rules of the trial of alerts, by data set, and what DuckDB says of each of them."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import duckdb
import pandas as pd

from tests.oracle.alerts import Instance, expected_alerts
from tests.oracle.sequences import Bound, expected_sequences


class DataSet(NamedTuple):
    """How a recording is sent, and by which conditions it is judged.

    `compress` makes points some seconds apart; `speed` is seconds of event time sent in one.
    """

    compress: int
    speed: float
    conditions: dict[str, dict[str, Any]]


class Found(NamedTuple):
    """One alert of a case: where, and when it began, was raised and ended (None = lasts); event time, ms."""

    case: str
    device_id: str
    onset_ms: int
    raised_ms: int
    cleared_ms: int | None


def _threshold(metric: str, above: float, clear: float, for_s: float) -> dict[str, Any]:
    limits = {"raise_above": above, "clear_below": clear, "for_s": for_s}
    return {"kind": "threshold", "metric": metric, **limits}


def _count(metric: str, above: float, times: int, within_s: float) -> dict[str, Any]:
    return {"kind": "count_in_window", "metric": metric, "above": above, "times": times, "within_s": within_s}


def _sequence(within_s: float, *steps: tuple[str, str, float], without: Any = None) -> dict[str, Any]:
    named = [
        {"as": f"step{place}", "metric": metric, word: limit}
        for place, (metric, word, limit) in enumerate(steps)
    ]
    barred = {} if without is None else {"without": {"metric": without[0], without[1]: without[2]}}
    return {"kind": "sequence", "within_s": within_s, "steps": named} | barred


_CURRENT, _FLOW, _HEAT, _DUST = "current_a", "flow_lpm", "temperature_c", "pm2_5_ugm3"
DATA_SETS: Final = {
    "skab": DataSet(
        1,
        100,
        {
            "flow-high-for-5s": _threshold(_FLOW, 31.9, 30.0, 5),
            "current-high-for-3s": _threshold(_CURRENT, 1.0, 0.6, 3),
            "current-peak": _threshold(_CURRENT, 1.4, 1.2, 0),
            "flow-high-5-in-20s": _count(_FLOW, 32.0, 5, 20),
            "current-high-3-in-10s": _count(_CURRENT, 1.2, 3, 10),
            "current-then-flow": _sequence(20, (_CURRENT, "above", 1.3), (_FLOW, "below", 31.5)),
            "current-then-flow-without-low": _sequence(
                60, (_CURRENT, "above", 1.3), (_FLOW, "below", 31.5), without=(_CURRENT, "below", 0.7)
            ),
            "current-up-down-then-flow": _sequence(
                30, (_CURRENT, "above", 1.5), (_CURRENT, "below", 0.6), (_FLOW, "below", 31.5)
            ),
        },
    ),
    # Five minutes become five seconds.
    "nab": DataSet(
        60,
        1_000,
        {
            "hot-for-30s": _threshold(_HEAT, 37.8, 36.7, 30),
            "warm": _threshold(_HEAT, 32.2, 29.4, 0),
            "hot-6-in-60s": _count(_HEAT, 37.8, 6, 60),
            "warm-1-in-10s": _count(_HEAT, 35.0, 1, 10),
            "hot-then-cooler": _sequence(120, (_HEAT, "above", 37.8), (_HEAT, "below", 37.0)),
            "warm-then-hot-without-cool": _sequence(
                300, (_HEAT, "above", 36.0), (_HEAT, "above", 38.0), without=(_HEAT, "below", 35.5)
            ),
        },
    ),
    # An hour becomes a second.
    "air-quality": DataSet(
        3_600,
        400,
        {
            "dust-for-6s": _threshold(_DUST, 200, 150, 6),
            "ozone-3-in-6s": _count("o3_ugm3", 230, 3, 6),
            "calm-then-dust-without-rain": _sequence(
                6, ("wind_speed_mps", "below", 0.3), (_DUST, "above", 250), without=("rain_mm", "above", 0)
            ),
        },
    ),
}  # fmt: skip


def expected(connection: duckdb.DuckDBPyConnection, case: str, when: dict[str, Any]) -> list[Found]:
    """Return the alerts of every device of `expected_points`, after time went on for long."""
    judge = _sequences if when["kind"] == "sequence" else _alerts
    return [
        Found(case, device_id, *found)
        for device_id, readings in _readings(connection, sorted(metrics_of(when)))
        for found in judge(when, readings)
    ]


def metrics_of(when: dict[str, Any]) -> set[str]:
    """Return the metrics a condition is about."""
    bounds = [when] if "metric" in when else [*when["steps"], when.get("without")]
    return {bound["metric"] for bound in bounds if bound}


def _readings(
    connection: duckdb.DuckDBPyConnection, metrics: list[str]
) -> Iterator[tuple[str, pd.DataFrame]]:
    columns = ", ".join(f"""max(value) FILTER (metric = '{metric}') AS "{metric}" """ for metric in metrics)
    frame = connection.execute(
        f"SELECT device_id, event_time_ms AS at_ms, {columns} FROM expected_points "
        "WHERE list_contains(?, metric) GROUP BY device_id, event_id, event_time_ms",
        [metrics],
    ).df()
    for device_id, own in frame.groupby("device_id"):
        yield str(device_id), own.drop(columns="device_id")


def _alerts(when: dict[str, Any], readings: pd.DataFrame) -> list[Instance]:
    points = list(readings[["at_ms", when["metric"]]].itertuples(index=False, name=None))
    if when["kind"] == "threshold":
        limits = {"raise_above": when["raise_above"], "clear_below": when["clear_below"]}
        return expected_alerts("threshold", points, **limits, for_ms=_ms(when["for_s"]))
    counted = {"above": when["above"], "times": when["times"], "within_ms": _ms(when["within_s"])}
    return expected_alerts("count", points, **counted, until_ms=2**62)


def _sequences(when: dict[str, Any], readings: pd.DataFrame) -> list[Instance]:
    within_ms = _ms(when["within_s"])
    barred = when.get("without")
    steps = [_bound(step) for step in when["steps"]]
    return expected_sequences(readings, steps, within_ms, within_ms, barred and _bound(barred))


def _bound(bound: dict[str, Any]) -> Bound:
    sign, word = (">", "above") if "above" in bound else ("<", "below")
    return bound["metric"], sign, bound[word]


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
