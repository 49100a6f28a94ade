"""Keeps what was read of files that never change: the least recently used goes when there is too much."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """Values by the path of the file they were read from; `most_weight` is the sum of what `weigh` says."""

    def __init__(self, most_weight: int, weigh: Callable[[Value], int]) -> None:
        self._most_weight, self._weigh = most_weight, weigh
        self._values: OrderedDict[str, Value] = OrderedDict()
        self._weight = 0
        self._lock = Lock()

    def get(self, path: str, read: Callable[[], Value]) -> Value:
        """Return what the file says; it is read when it is not kept."""
        with self._lock:
            if path in self._values:
                self._values.move_to_end(path)
                return self._values[path]
        # Unlocked: two that come at once read the same twice, and nobody waits for a file he does not need.
        value = read()
        with self._lock:
            self._keep(path, value)
        return value

    def _keep(self, path: str, value: Value) -> None:
        if path in self._values:
            return
        self._values[path] = value
        self._weight += self._weigh(value)
        while self._weight > self._most_weight and len(self._values) > 1:
            _, gone = self._values.popitem(last=False)
            self._weight -= self._weigh(gone)
