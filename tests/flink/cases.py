"""Sentences about the stream: readings given in order of arrival, rows expected. Out-of-orderness is 10 s."""

from typing import NamedTuple

HOUR_MS = 3_600_000


class Reading(NamedTuple):
    """One message; time in seconds after the case's start, an empty event gets a name of its own."""

    at_s: float
    metrics: dict[str, float]
    event: str = ""
    device: str = "pump"
    tenant: str = "demo"
    location: dict[str, float | None] | None = None


class Window(NamedTuple):
    """What a pane or a minute says of its readings."""

    readings: int
    minimum: float
    maximum: float
    total: float
    first: float
    last: float


class Case(NamedTuple):
    """`panes` and `minutes` by (device, metric, start in seconds); an empty device is `device`."""

    says: str
    given: list[Reading]
    marks: list[str]
    panes: dict[tuple[str, str, float], Window]
    minutes: dict[tuple[str, str, float], tuple[Window, int]]
    device: str = "pump"


def a(at_s: float, value: float, event: str = "", device: str = "pump") -> Reading:
    """Return a reading of the metric `a`."""
    return Reading(at_s, {"a": value}, event, device)


def clock(at_s: float) -> Reading:
    """Return a mark of the idle clock."""
    return Reading(at_s, {}, device="", tenant="")


def single(value: float) -> Window:
    """Return the window of one reading."""
    return Window(1, value, value, value, value, value)


EXTREMES = {
    "large": 1.7976931348623157e308,
    "negative": -1e300,
    "small": 1e-300,
    "smallest": 5e-324,
    "fraction": 0.1 + 0.2,
    "whole": 12345678901234567.0,
    "zero": 0.0,
    "below_zero": -273.15,
}

CASES = [
    Case(
        "readings on time are counted where they belong",
        [a(1, 1.0), a(2, 3.0), a(12, 5.0)],
        ["on_time"] * 3,
        {("", "a", 0): Window(2, 1, 3, 4, 1, 3), ("", "a", 10): single(5)},
        {("", "a", 0): (Window(3, 1, 5, 9, 1, 5), 0)},
    ),
    Case(
        "a reading behind the watermark whose pane is open is counted and marked late",
        [a(5, 1.0), a(19.5, 2.0), a(9.4, 4.0), a(9.5, 8.0)],
        ["on_time", "on_time", "late", "on_time"],
        {("", "a", 0): Window(3, 1, 8, 13, 1, 8), ("", "a", 10): single(2)},
        {("", "a", 0): (Window(4, 1, 8, 15, 1, 2), 1)},
    ),
    Case(
        "a reading behind the watermark whose pane has closed is stored and changes no window",
        [a(5, 1.0), a(30, 2.0), a(6, 99.0)],
        ["on_time", "on_time", "late"],
        {("", "a", 0): single(1), ("", "a", 30): single(2)},
        {("", "a", 0): (Window(2, 1, 2, 3, 1, 2), 0)},
    ),
    Case(
        "an event seen before is marked and counted once, whatever it says the second time",
        [a(1, 1.0, "twice"), a(2, 2.0), a(1, 99.0, "twice"), a(15, 99.0, "twice")],
        ["on_time", "on_time", "duplicate", "duplicate"],
        {("", "a", 0): Window(2, 1, 2, 3, 1, 2)},
        {("", "a", 0): (Window(2, 1, 2, 3, 1, 2), 0)},
    ),
    Case(
        "a duplicate behind the watermark is a duplicate, not late",
        [a(1, 1.0, "early"), a(40, 2.0), a(1, 1.0, "early")],
        ["on_time", "on_time", "duplicate"],
        {("", "a", 0): single(1), ("", "a", 40): single(2)},
        {("", "a", 0): (Window(2, 1, 2, 3, 1, 2), 0)},
    ),
    Case(
        "the same event of another device is no duplicate",
        [a(1, 1.0, "same"), a(1, 2.0, "same", device="fan")],
        ["on_time", "on_time"],
        {("", "a", 0): single(1), ("fan", "a", 0): single(2)},
        {("", "a", 0): (single(1), 0), ("fan", "a", 0): (single(2), 0)},
    ),
    Case(
        "first and last go by event time, not by arrival or value",
        [a(5, 7.0), a(9, 2.0), a(1, 3.0), a(4, 9.0)],
        ["on_time"] * 4,
        {("", "a", 0): Window(4, 2, 9, 21, 3, 2)},
        {("", "a", 0): (Window(4, 2, 9, 21, 3, 2), 0)},
    ),
    Case(
        "first and last of a pane tell milliseconds apart",
        [a(0.1, 1.0), a(0.099, 2.0), a(0.009, 3.0), a(9.999, 4.0), a(9.99, 5.0)],
        ["on_time"] * 5,
        {("", "a", 0): Window(5, 1, 5, 15, 3, 4)},
        {("", "a", 0): (Window(5, 1, 5, 15, 3, 4), 0)},
    ),
    Case(
        "a minute takes first from its earliest pane and last from its latest",
        [a(18, 7.0), a(11, 3.0), a(9, 5.0), a(19, 1.0), a(58, 2.0), a(51, 8.0)],
        ["on_time"] * 6,
        {
            ("", "a", 0): single(5),
            ("", "a", 10): Window(3, 1, 7, 11, 3, 1),
            ("", "a", 50): Window(2, 2, 8, 10, 8, 2),
        },
        {("", "a", 0): (Window(6, 1, 8, 26, 5, 2), 0)},
    ),
    Case(
        "each metric of a reading has windows of its own",
        [
            Reading(1, {"a": 1.0, "b": 10.0}),
            Reading(2, {"b": 20.0}),
            Reading(3, {"a": 4.0, "c.x:y-z_1": 0.5}),
        ],
        ["on_time"] * 3,
        {
            ("", "a", 0): Window(2, 1, 4, 5, 1, 4),
            ("", "b", 0): Window(2, 10, 20, 30, 10, 20),
            ("", "c.x:y-z_1", 0): single(0.5),
        },
        {
            ("", "a", 0): (Window(2, 1, 4, 5, 1, 4), 0),
            ("", "b", 0): (Window(2, 10, 20, 30, 10, 20), 0),
            ("", "c.x:y-z_1", 0): (single(0.5), 0),
        },
    ),
    Case(
        "a reading on the edge of a pane belongs to the later one",
        [a(0, 1.0), a(9.999, 2.0), a(10, 4.0)],
        ["on_time"] * 3,
        {("", "a", 0): Window(2, 1, 2, 3, 1, 2), ("", "a", 10): single(4)},
        {("", "a", 0): (Window(3, 1, 4, 7, 1, 4), 0)},
    ),
    Case(
        "a reading on the edge of a minute belongs to the later one",
        [a(59.999, 1.0), a(60, 2.0), a(119.999, 3.0)],
        ["on_time"] * 3,
        {("", "a", 50): single(1), ("", "a", 60): single(2), ("", "a", 110): single(3)},
        {("", "a", 0): (single(1), 0), ("", "a", 60): (Window(2, 2, 3, 5, 2, 3), 0)},
    ),
    Case(
        "the ends of what a double can say come through unchanged",
        [Reading(1, EXTREMES), Reading(61, {name: -value for name, value in EXTREMES.items() if value})],
        ["on_time"] * 2,
        {("", name, 0.0): single(value) for name, value in EXTREMES.items()}
        | {("", name, 60.0): single(-value) for name, value in EXTREMES.items() if value},
        {("", name, 0.0): (single(value), 0) for name, value in EXTREMES.items()}
        | {("", name, 60.0): (single(-value), 0) for name, value in EXTREMES.items() if value},
    ),
    Case(
        "first and last of extremes are exact where their sum is not",
        [a(1, 1e300), a(2, 1e-300), a(3, -1e300)],
        ["on_time"] * 3,
        {("", "a", 0): Window(3, -1e300, 1e300, 0.0, 1e300, -1e300)},
        {("", "a", 0): (Window(3, -1e300, 1e300, 0.0, 1e300, -1e300), 0)},
    ),
    Case(
        "a location is kept with and without its altitude, and its absence too",
        [
            Reading(1, {"a": 1.0}, location={"lat": 52.5, "lon": -13.25, "alt_m": 34.5}),
            Reading(2, {"a": 1.0}, location={"lat": 0.0, "lon": 0.0, "alt_m": None}),
            Reading(3, {"a": 1.0}),
        ],
        ["on_time"] * 3,
        {("", "a", 0): Window(3, 1, 1, 3, 1, 1)},
        {("", "a", 0): (Window(3, 1, 1, 3, 1, 1), 0)},
    ),
    Case(
        "a device name with dots, colons, spaces and letters of any script is told from its tenant",
        [a(1, 1.0, device="hall.4:pümp 7=x"), a(2, 3.0, device="hall.4:pümp 7=x")],
        ["on_time"] * 2,
        {("", "a", 0): Window(2, 1, 3, 4, 1, 3)},
        {("", "a", 0): (Window(2, 1, 3, 4, 1, 3), 0)},
        device="hall.4:pümp 7=x",
    ),
    Case(
        "a mark of the idle clock moves time and leaves no row",
        [a(1, 1.0), clock(100), a(5, 2.0)],
        ["on_time", "late"],
        {("", "a", 0): single(1)},
        {("", "a", 0): (single(1), 0)},
    ),
]
