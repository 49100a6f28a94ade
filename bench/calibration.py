"""How fast this machine is: figures of two machines compare by it."""

import time
from typing import Final

ROUNDS: Final = 3
STEPS: Final = 5_000_000


def calibration_s() -> float:
    """Return the seconds of a fixed loop of plain Python, the best of three."""
    return min(_once_s() for _ in range(ROUNDS))


def _once_s() -> float:
    started, total = time.perf_counter(), 0
    for step in range(STEPS):
        total += step & 7
    return time.perf_counter() - started
