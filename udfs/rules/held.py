"""What a shard may not judge yet: readings that came before the rules they go by are known.

While a job catches up, partitions of the log come at different speed. A reading is judged by the versions
that lie `DELAY_MS` before it in the log; until all of those are here it waits, and what came behind it too.
"""

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from udfs.rules.arrived import Arrived
from udfs.rules.rule_timeline import DELAY_MS

# Rules are told of once a second. When nobody does so any more, alerts by what is known are better than none.
PATIENCE_MS: Final = 30_000
NEVER_MS: Final = -(2**62)
_log = logging.getLogger("millrace.rules")


class HeldPart(msgspec.Struct, array_like=True, frozen=True):
    """What arrived, and the watermark of then."""

    watermark_ms: int
    arrived: Arrived


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(HeldPart)


class HeldParts:
    """Parts in the order of their arrival."""

    def __init__(self) -> None:
        self._parts: deque[tuple[int, HeldPart]] = deque()
        self._next = 0
        self._rules_read_ms = NEVER_MS
        self._told_ms: int | None = None
        self._changed: dict[int, HeldPart | None] = {}

    def __bool__(self) -> bool:
        """Whether any part waits."""
        return bool(self._parts)

    def restore(self, kept: Iterable[tuple[int, bytes]]) -> None:
        """Take back what was kept; it comes in any order."""
        self._parts.extend(sorted((number, _decoder.decode(data)) for number, data in kept))
        self._next = self._parts[-1][0] + 1 if self._parts else 0

    def put(self, arrived: Arrived, watermark_ms: int) -> None:
        """Lay a part behind the others."""
        part = HeldPart(watermark_ms, arrived)
        self._parts.append((self._next, part))
        self._changed[self._next] = part
        self._next += 1

    def release(self, rules_read_ms: int, now_ms: int) -> Iterator[HeldPart]:
        """Yield what need not wait any more, now that rules are known up to this log time."""
        if self._told_ms is None or rules_read_ms > self._rules_read_ms:
            self._rules_read_ms, self._told_ms = rules_read_ms, now_ms
        while self._parts and self._may_go(self._parts[0][1], now_ms - self._told_ms):
            number, part = self._parts.popleft()
            # What was never kept need not be forgotten.
            if self._changed.pop(number, None) is None:
                self._changed[number] = None
            yield part

    def _may_go(self, part: HeldPart, untold_ms: int) -> bool:
        newest_ms = part.arrived.newest_ms
        if newest_ms is None or newest_ms - DELAY_MS <= self._rules_read_ms:
            return True
        if untold_ms < PATIENCE_MS:
            return False
        _log.warning("rules_not_told_of since_ms=%d rules_read_ms=%d", untold_ms, self._rules_read_ms)
        return True

    def take_changed(self) -> Iterator[tuple[int, bytes | None]]:
        """Yield parts that began or ended to wait since the last call, and what is to be kept of them."""
        for number, part in self._changed.items():
            yield number, None if part is None else _encoder.encode(part)
        self._changed.clear()
