"""What the trial of alerts sends, and how it tells that something is wrong."""

from collections import Counter
from typing import Any

import pandas as pd
import pytest

from bench.alert_cases import DATA_SETS, Found, metrics_of
from bench.alert_recording import OUT_OF_ORDER_MS, disordered
from bench.alert_trial import differences
from bench.told_alerts import last_states
from ingest.replay.message import Message
from tests.oracle.sequences import Bound, expected_sequences
from udfs.rules.model import parse_rule

pytestmark = pytest.mark.alerts

ONE, OTHER = Found("hot", "pump", 1, 2, 3), Found("hot", "pump", 5, 6, None)


def row(kind: str, onset_ms: int, at_ms: int) -> dict[str, Any]:
    named = {"alert_id": f"{onset_ms}", "rule": "hot", "device_id": "pump", "kind": kind}
    return named | {"onset": onset_ms * 1000, "at": at_ms * 1000}


def test_messages_are_late_by_less_than_the_stream_waits_and_one_in_ten_comes_twice() -> None:
    given = [Message("pump", second * 1000, b"%d" % second) for second in range(1000)]
    sent, newest_ms, behind = disordered(given), 0, []
    for message in sent:
        newest_ms = max(newest_ms, message.event_time)
        behind.append(newest_ms - message.event_time)
    assert 0 < max(behind) < OUT_OF_ORDER_MS
    assert sum(one > 0 for one in behind) > len(sent) / 2
    assert sorted(Counter(message.payload for message in sent).values()) == [1] * 900 + [2] * 100
    assert disordered(given) == sent


@pytest.mark.parametrize(
    ("rows", "alerts"),
    [
        ([row("raised", 1, 2), row("cleared", 1, 3)], [Found("hot", "pump", 1, 2, 3)]),
        ([row("raised", 1, 2), row("withdrawn", 1, 2)], []),
        (
            [row("raised", 1, 2), row("withdrawn", 1, 2), row("raised", 1, 4)],
            [Found("hot", "pump", 1, 4, None)],
        ),
        (
            [row("raised", 1, 9), row("cleared", 1, 12), row("updated", 1, 2), row("cleared", 1, 5)],
            [Found("hot", "pump", 1, 2, 5)],
        ),
        (
            [row("raised", 1, 2), row("cleared", 1, 3), row("updated", 1, 2)],
            [Found("hot", "pump", 1, 2, None)],
        ),
        ([row("raised", 1, 2), row("escalated", 1, 4)], [Found("hot", "pump", 1, 2, None)]),
    ],
)
def test_the_last_thing_told_of_an_alert_counts(rows: list[dict[str, Any]], alerts: list[Found]) -> None:
    assert last_states(rows) == alerts


def test_what_is_equal_shows_no_difference() -> None:
    assert differences("here", [ONE, OTHER], [OTHER, ONE]) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([ONE], "1 missing, 0 too many"),
        ([ONE, OTHER, OTHER], "0 missing, 1 too many"),
        ([ONE, OTHER._replace(cleared_ms=7)], "1 missing, 1 too many"),
        ([ONE, OTHER._replace(raised_ms=7)], "1 missing, 1 too many"),
    ],
)
def test_an_alert_lost_doubled_or_different_is_a_difference(found: list[Found], said: str) -> None:
    lines = differences("here", [ONE, OTHER], found)
    assert len(lines) == 1
    assert lines[0].startswith(f"here: hot: {said}")


@pytest.mark.parametrize("name", DATA_SETS)
def test_conditions_are_rules(name: str) -> None:
    for case, when in DATA_SETS[name].conditions.items():
        assert parse_rule({"rule": case, "when": when}).kind == when["kind"]
        assert metrics_of(when)


STEPS: list[Bound] = [("v", ">", 1), ("v", "<", 0)]


@pytest.mark.parametrize(
    ("rows", "alerts"),
    [
        ([(0, 2, None), (5, -1, None)], [(0, 5, 15)]),
        # The next alert ends the one before it.
        ([(0, 2, None), (5, -1, None), (6, 2, None), (8, -1, None)], [(0, 5, 8), (6, 8, 18)]),
        # Used up by the first match.
        ([(0, 2, None), (1, 2, None), (5, -1, None), (6, -1, None)], [(0, 5, 15)]),
        ([(0, 2, None), (11, -1, None)], []),
        ([(0, 2, None), (3, None, 9), (5, -1, None)], []),
        ([(0, 2, None), (3, None, 7), (5, -1, 9)], [(0, 5, 15)]),
        # Of one time, the lower value comes first.
        ([(0, 2, None), (0, -1, None)], []),
    ],
)
def test_the_oracle_of_sequences(
    rows: list[tuple[int, float | None, float | None]], alerts: list[tuple[int, int, int]]
) -> None:
    readings = pd.DataFrame(rows, columns=["at_ms", "v", "w"]).astype({"v": "float64", "w": "float64"})
    assert expected_sequences(readings, STEPS, 10, 10, ("w", ">", 8)) == alerts
