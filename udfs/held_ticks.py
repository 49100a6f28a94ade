"""Which ticks of the clock a shard may let take effect: those up to whose time it has read the log.

A source that is starved takes a partition for idle, and log time goes on without the records that lie there
unread. So a tick says where each partition ended when it was made, `gather` says how far each was read, and
a tick waits until this shard has been told of all of it. In the ordinary case it has been by then. Ticks
take effect one after the other: between two of them a pause may lie, and of those only one knows it.
"""

from bisect import insort
from collections.abc import Mapping
from typing import Final

from udfs.device_state import HeldTick, Shard, Tick

# A partition that is stalled must not stop all detection for ever. It is time on the wall: while a job
# catches up, minutes of log time pass in a second, and a partition that is starved for that second would
# be given up.
PATIENCE_MS: Final = 60_000
MOST_HELD: Final = 120


def due_ticks(shard: Shard, tick: Tick | None, read: Mapping[int, int], now_ms: int) -> list[Tick]:
    """Take a tick and what was read, offsets by partition; return the ticks that take effect now, in order.

    `now_ms` (wall clock) says nothing but how long a tick has waited.
    """
    for partition, offset in read.items():
        shard.read[partition] = max(offset, shard.read.get(partition, 0))
    if tick is not None:
        insort(shard.held, HeldTick(tick, now_ms))
    held = shard.held
    # What the newest one waits for is all that the older ones wait for, but for what has expired since.
    due = next((n for n in range(len(held), 0, -1) if _may_go(shard, held[n - 1], now_ms)), 0)
    shard.held = _thinned(held[due:])
    for one in held[:due]:
        _give_up(shard, one.tick)
    return [one.tick for one in held[:due]]


def _may_go(shard: Shard, held: HeldTick, now_ms: int) -> bool:
    return _is_read(shard, held.tick) or now_ms - held.since_ms >= PATIENCE_MS


def _is_read(shard: Shard, tick: Tick) -> bool:
    # Of a partition this shard was never told of it knows no device: there is nothing to wait for.
    return all(end <= shard.read.get(partition, end) for partition, end in tick.ends)


def _give_up(shard: Shard, tick: Tick) -> None:
    """Wait no more for what was not read in time, or every later tick would wait for it anew."""
    for partition, end in tick.ends:
        if partition in shard.read:
            shard.read[partition] = max(end, shard.read[partition])


def _thinned(held: list[HeldTick]) -> list[HeldTick]:
    """Return every second of too many, the newest among them: as if the clock had been marked less often."""
    return held if len(held) <= MOST_HELD else held[::-2][::-1]
