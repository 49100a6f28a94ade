"""Geofence: a device enters, leaves or is inside an area."""

from collections.abc import Sequence
from math import asin, cos, radians, sin, sqrt
from typing import Annotated, ClassVar, Final, Literal

import msgspec

from udfs.rules.condition import NOTHING, Condition, Detector, Example, Level, Memory, Signal, Signals, one_of
from udfs.rules.reading import RuleReading

EARTH_RADIUS_M: Final = 6_371_008.8
Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]
Longitude = Annotated[float, msgspec.Meta(ge=-180, le=180)]
Corners = Annotated[tuple[tuple[Latitude, Longitude], ...], msgspec.Meta(min_length=3, max_length=500)]


class Circle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All points within `radius_m` of a point."""

    lat: Latitude
    lon: Longitude
    radius_m: Annotated[float, msgspec.Meta(gt=0, le=5_000_000)]


class Geofence(Condition, frozen=True, kw_only=True, tag="geofence"):
    """`inside` holds while the device is inside; `enter` the same, but only if it was seen outside before.

    `leave` holds while it is outside after it was seen inside. Readings without position say nothing. A
    polygon's edges are straight in degrees; one across the 180th meridian must be split.
    """

    judged_only: ClassVar[frozenset[str]] = frozenset()
    example: ClassVar[Example] = {
        "kind": "geofence",
        "on": "leave",
        "circle": {"lat": 52.5, "lon": 13.4, "radius_m": 500},
    }

    on: Literal["enter", "leave", "inside"] = "inside"
    polygon: Corners | None = None
    circle: Circle | None = None

    def __post_init__(self) -> None:
        one_of(
            "polygon, circle",
            None if self.polygon is None else 1.0,
            None if self.circle is None else 1.0,
        )
        if self.polygon is not None:
            longitudes = [longitude for _, longitude in self.polygon]
            if max(longitudes) - min(longitudes) > 180:
                raise ValueError("a polygon across the 180th meridian must be split into two rules")

    def detector(self, levels: Sequence[Level]) -> Detector:
        """Return a detector of places."""
        return _Detector(self)


def contains(area: Geofence, lat: float, lon: float) -> bool:
    """Tell whether a point lies in the rule's area."""
    if area.circle is not None:
        centre = area.circle
        return distance_m(lat, lon, centre.lat, centre.lon) <= centre.radius_m
    corners = area.polygon or ()
    inside = False
    for (lat_a, lon_a), (lat_b, lon_b) in zip(corners, corners[1:] + corners[:1], strict=True):
        crosses = (lat_a > lat) != (lat_b > lat)
        if crosses and lon < (lon_b - lon_a) * (lat - lat_a) / (lat_b - lat_a) + lon_a:
            inside = not inside
    return inside


def distance_m(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Return the great-circle distance in metres."""
    phi_a, phi_b = radians(lat_a), radians(lat_b)
    across = sin((phi_b - phi_a) / 2) ** 2
    along = sin(radians(lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(across + cos(phi_a) * cos(phi_b) * along)))


class _Memory(Memory, tag="geofence", gc=False):
    """`seen_other` says that it was seen on the side where the condition does not hold."""

    seen_other: bool = False


class _Detector(Detector):
    located = True

    def __init__(self, rule: Geofence) -> None:
        self._rule = rule

    def initial(self) -> _Memory:
        return _Memory(seen_other=self._rule.on == "inside")

    def step(self, memory: _Memory, reading: RuleReading) -> Signals:
        if reading.lat is None or reading.lon is None:
            return NOTHING
        inside = contains(self._rule, reading.lat, reading.lon)
        holds = inside != (self._rule.on == "leave")
        if not holds:
            memory.seen_other = True
        if holds == (memory.since_ms is not None) or not memory.seen_other:
            return NOTHING
        at_ms = reading.event_time_ms
        evidence: dict[str, float | str] = {"lat": reading.lat, "lon": reading.lon, "on": self._rule.on}
        if holds:
            memory.since_ms = at_ms
            return (Signal("begins", at_ms, at_ms, evidence),)
        since_ms, memory.since_ms = memory.since_ms or 0, None
        return (Signal("ends", since_ms, at_ms, evidence),)
