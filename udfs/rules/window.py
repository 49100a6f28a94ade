"""The last readings of a metric, at most so many of them."""

from typing import Final

Point = tuple[int, float]
Points = tuple[Point, ...]

SLOTS: Final = 120


def thinned(points: Points, newest: Point, length_ms: int) -> Points:
    """Add a point; of points that share one of the 120 slots of the window's length the newest is kept.

    So a window holds at most 121 points however fast a device sends, and all of them if it sends slower.
    """
    slot_ms = max(1, length_ms // SLOTS)
    if len(points) > 1 and points[-1][0] // slot_ms == newest[0] // slot_ms:
        return (*points[:-1], newest)
    return (*points, newest)
