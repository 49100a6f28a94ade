"""What counts as unusual around an onset, and how it is said."""

from math import inf, isclose, nan

import pytest

from udfs.explain import (
    AROUND_MS,
    HOUR_MS,
    REMARKABLE,
    Departure,
    Spans,
    departure,
    departures,
    nearest,
    spans,
)
from udfs.explain_words import (
    Ending,
    condition_on,
    departed,
    device_said,
    ended,
    neighbours_said,
    past_said,
    what_happened,
)

pytestmark = pytest.mark.alerts

ONSET = 10_000_000
SPANS = Spans(ONSET - 1_000, ONSET, ONSET + 1_000)
Points = list[tuple[int, float]]


def before(*values: float) -> Points:
    return [(ONSET - 1_000 + place, value) for place, value in enumerate(values)]


def after(*values: float) -> Points:
    return [(ONSET + place, value) for place, value in enumerate(values)]


# Median 3, distances 2 1 0 1 2, MAD 1: a value x departs by 0.6745 (x - 3).
FIVE = before(1, 2, 3, 4, 5)
SCORES: list[tuple[str, Points, float | None]] = [
    ("nothing around", FIVE, None),
    ("too little before", before(1, 2, 3, 4) + after(9), None),
    ("as usual", FIVE + after(3), 0.0),
    ("above", FIVE + after(13), 6.745),
    ("below", FIVE + after(-7), -6.745),
    ("the median of what is around counts", FIVE + after(3, 13, 1_000), 6.745),
    ("an outlier before changes nothing", before(1, 2, 3, 4, 1_000) + after(13), 6.745),
    ("order does not matter", after(13) + FIVE[::-1], 6.745),
    ("at the end of the span it is over", [*FIVE, (ONSET + 1_000, 99.0)], None),
    ("older than the span it does not count", [(ONSET - 1_001, 9.0), *before(1, 2, 3, 4), *after(9)], None),
    ("what is no number does not count", FIVE + after(nan, inf, 13), 6.745),
    ("constant, and it is still", before(2, 2, 2, 2, 2) + after(2), 0.0),
    ("constant, and it rose", before(2, 2, 2, 2, 2) + after(2.1), inf),
    ("constant, and it fell", before(2, 2, 2, 2, 2) + after(1), -inf),
    # MAD 0, mean distance 2: the scale is 1.2533 times that.
    ("half of it constant", before(2, 2, 2, 2, 12) + after(2 + 2 * 1.2533), 1.0),
]


@pytest.mark.parametrize(("points", "z"), [row[1:] for row in SCORES], ids=[row[0] for row in SCORES])
def test_a_metric_departs_from_what_was_usual(points: Points, z: float | None) -> None:
    found = departure("t", points, SPANS)
    assert (found is None) == (z is None)
    assert found is None or z is None or isclose(found.z, z, abs_tol=1e-9)


def test_metrics_come_by_how_far_they_departed_whether_or_not_each_reading_has_them() -> None:
    readings = [(time_ms, {"far": value, "near": value, "const": 1.0}) for time_ms, value in FIVE]
    readings += [(ONSET, {"far": -99.0, "const": 2.0, "new": 5.0}), (ONSET + 1, {"near": 4.0})]
    found = departures(readings, SPANS)
    assert [(one.metric, one.remarkable, one.samples) for one in found] == [
        ("const", True, 5),
        ("far", True, 5),
        ("near", False, 5),
    ]
    assert departures([], SPANS) == []


@pytest.mark.parametrize(
    ("cleared_ms", "until_ms"),
    [
        (None, AROUND_MS),
        (AROUND_MS + 1, AROUND_MS),
        (3_000, 3_000),
        (0, 1),
        (-5, 1),
    ],
)
def test_five_minutes_are_looked_at_or_less_when_it_was_over_sooner(
    cleared_ms: int | None, until_ms: int
) -> None:
    cleared = None if cleared_ms is None else ONSET + cleared_ms
    assert spans(ONSET, cleared, HOUR_MS) == (ONSET - HOUR_MS, ONSET, ONSET + until_ms)


@pytest.mark.parametrize(
    ("times", "most", "places"),
    [
        ([], 3, []),
        ([1, 2, 3], 9, [0, 1, 2]),
        ([1, 8, 10, 12, 30], 3, [1, 2, 3]),
        ([8, 12], 1, [0]),
        ([10, 10, 10], 2, [0, 1]),
        ([30, 12, 9], 2, [2, 1]),
    ],
)
def test_the_nearest_are_taken_and_stay_in_order(times: list[int], most: int, places: list[int]) -> None:
    assert nearest(times, 10, most) == places


ENDINGS = [
    (Ending("stream", "stream", 200.0), "cleared by itself after 3 min 20 s"),
    (Ending("person", "ann", 60.0), "cleared by ann after 1 min"),
    (Ending("rule", "bob", 3_600.0), "ended with its rule after 1 h"),
    (Ending("stream", "stream", None), "cleared by itself"),
    (Ending(None, None, None), "still lasts"),
]


@pytest.mark.parametrize(("ending", "words"), ENDINGS)
def test_an_ending_says_who_did_it_and_how_long_it_took(ending: Ending, words: str) -> None:
    assert ended(ending) == words


def a_departure(metric: str = "t", z: float = 9.0) -> Departure:
    return Departure(metric, 95.0, 20.0, z, 30)


def test_what_stands_out_is_said_with_its_figures() -> None:
    assert departed(a_departure()) == "t is 95, usually 20 (robust z-score 9.0)"
    assert departed(a_departure(z=-inf)) == "t is 95, it was 20 all the time before"
    said = device_said([a_departure("a"), a_departure("b", REMARKABLE - 0.1)], 1)
    assert said == (
        "What stands out on the device, compared with the hour before: "
        "a is 95, usually 20 (robust z-score 9.0)."
    )
    assert device_said([a_departure(z=1)], 24) == (
        "No metric of the device stands out, compared with the 24 hours before."
    )
    assert device_said([], 1) is None


@pytest.mark.parametrize(
    ("judged", "departing", "words"),
    [
        (0, [], None),
        (3, [], "Of 3 other devices of hall none departs in t."),
        (1, ["a"], "Of 1 other device of hall 1 departs in t too: a."),
        (9, ["d", "c", "b", "a", "e"], "Of 9 other devices of hall 5 depart in t too: a, b, c and 2 more."),
    ],
)
def test_neighbours_are_named(judged: int, departing: list[str], words: str | None) -> None:
    assert neighbours_said("hall", "t", judged, departing) == words


def test_the_past_is_that_of_the_device_or_else_of_its_site() -> None:
    last = Ending("person", "ann", 60.0)
    assert past_said("a", []) == "The rule raised no alert before on this device or its site."
    assert past_said("a", [("a", last)]).startswith("The rule's last alert on this device cleared by ann")
    assert past_said("a", [("b", last)]).startswith("The rule's last alert on b cleared by ann")


def test_the_condition_is_the_one_of_the_device() -> None:
    rule = {
        "when": {"kind": "threshold", "metric": "t", "raise_above": 90, "for_s": 60},
        "overrides": {"b": {"for_s": 10}},
    }
    evidence = {"metric": "t", "value": 95.0, "limit": 90.0}
    assert what_happened(rule, "a", evidence) == "t is 95, above the limit of 90, for at least 1 min"
    assert what_happened(rule, "b", evidence) == "t is 95, above the limit of 90, for at least 10 s"
    assert (condition_on(None, "a"), what_happened(None, "a", {"x": 1.0})) == (None, "x 1")
