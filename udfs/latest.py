"""The newest value of each metric of a device: newest event time wins, in any order of arrival.

Redis keeps it as one hash per device: field `<metric>` holds `<event_time_ms> <value>`, fields that
start with `@` hold what is not a metric (`@event_time`, `@received_at`, `@location` as JSON).
"""

from typing import NamedTuple

NEWEST_WINS_LUA = """
local newest = tonumber(redis.call('HGET', KEYS[1], '@event_time') or '-1')
local event_time = tonumber(ARGV[1])
if event_time >= newest then
  redis.call('HSET', KEYS[1], '@event_time', ARGV[1], '@received_at', ARGV[2])
  if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], '@location', ARGV[3]) end
end
for i = 4, #ARGV, 2 do
  local stored = redis.call('HGET', KEYS[1], ARGV[i])
  if not stored or tonumber(string.match(stored, '^%-?%d+')) <= event_time then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[1] .. ' ' .. ARGV[i + 1])
  end
end
redis.call('PEXPIRE', KEYS[1], 2592000000)
"""


class LatestValue(NamedTuple):
    """One metric's newest value and the event time it belongs to (UTC epoch milliseconds)."""

    event_time_ms: int
    value: float


def parse_latest(stored: bytes) -> LatestValue:
    """Decode a metric field of the device hash."""
    event_time_ms, value = stored.split(b" ", 1)
    return LatestValue(int(event_time_ms), float(value))


def is_metric(field: bytes) -> bool:
    """Tell a metric field from a service field."""
    return not field.startswith(b"@")


def metric_arguments(metrics_text: str) -> list[str]:
    """Split Flink's text of a map, `{name=value, name=value}`, into name, value, name, value ..."""
    inner = metrics_text[1:-1]
    return [part for entry in inner.split(", ") for part in entry.split("=", 1)] if inner else []
