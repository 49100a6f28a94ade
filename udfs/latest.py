"""The newest value of each metric of a device: newest event time wins, in any order of arrival.

A reading whose event time lies ahead of its arrival counts by its arrival, and one that is ahead by
`AHEAD_MS` or more, by a clock that is wrong, by so much less: it never holds up a reading that is not ahead.
What is shown stays its own event time.

Redis keeps it as one hash per device: field `<metric>` holds `<event_time_ms> <value>`, and `<order_ms>`
behind it where that differs; fields that start with `@` hold what is not a metric (`@event_time`,
`@received_at`, `@order`, `@location` as JSON).
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

AHEAD_MS: Final = 10_000

NEWEST_WINS_LUA = """
local order = tonumber(ARGV[4])
local function held(field) return redis.call('HGET', KEYS[1], field) end
local newest = tonumber(held('@order') or held('@event_time') or '-1')
if order >= newest then
  redis.call('HSET', KEYS[1], '@event_time', ARGV[1], '@received_at', ARGV[2], '@order', ARGV[4])
  if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], '@location', ARGV[3]) end
end
local suffix = ARGV[4] ~= ARGV[1] and ' ' .. ARGV[4] or ''
for i = 5, #ARGV, 2 do
  local stored = held(ARGV[i]) or '-1'
  if tonumber(string.match(stored, '^%S+ %S+ (%S+)$') or string.match(stored, '^%S+')) <= order then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[1] .. ' ' .. ARGV[i + 1] .. suffix)
  end
end
redis.call('PEXPIRE', KEYS[1], 2592000000)
"""


def order_ms(event_time_ms: int, arrived_ms: int) -> int:
    """Return by what a reading is newer than another of its device (epoch ms)."""
    if event_time_ms <= arrived_ms:
        return event_time_ms
    return arrived_ms - AHEAD_MS if event_time_ms - arrived_ms >= AHEAD_MS else arrived_ms


def orders_ms(
    event_times_ms: npt.NDArray[np.int64], arrived_ms: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return `order_ms` of each reading."""
    wrong = event_times_ms - arrived_ms >= AHEAD_MS
    orders: npt.NDArray[Any] = np.minimum(event_times_ms, arrived_ms) - np.where(wrong, AHEAD_MS, 0)
    return orders


class LatestValue(NamedTuple):
    """One metric's newest value and the event time it belongs to (UTC epoch milliseconds)."""

    event_time_ms: int
    value: float


def parse_latest(stored: bytes) -> LatestValue:
    """Decode a metric field of the device hash."""
    event_time_ms, value = stored.split(b" ", 2)[:2]
    return LatestValue(int(event_time_ms), float(value))


def is_metric(field: bytes) -> bool:
    """Tell a metric field from a service field."""
    return not field.startswith(b"@")


def metric_arguments(metrics_text: str) -> list[str]:
    """Split Flink's text of a map, `{name=value, name=value}`, into name, value, name, value ..."""
    inner = metrics_text[1:-1]
    return [part for entry in inner.split(", ") for part in entry.split("=", 1)] if inner else []
