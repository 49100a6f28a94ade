"""Presence, sessions and events of devices: one call for all devices of a shard and second of the log."""

from collections.abc import Iterator
from typing import Any

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, OutputTag, RuntimeContext
from pyflink.datastream.state import ValueState, ValueStateDescriptor
from pyflink.table import StreamTableEnvironment, Table

from jobs.runtime.keyed_step import keyed_step
from millrace.clock import now_ms
from udfs.arrivals import decode
from udfs.device_state import ClosedSession, DeviceEvent, Presence, decode_shard, encode_shard
from udfs.presence import advance

HEADER = {
    "owner": "data-platform",
    "reads": ["shard_panes"],
    "provides": ["device_changes", "closed_sessions", "presences"],
}
_TEXT, _LONG, _DOUBLE = Types.STRING(), Types.LONG(), Types.DOUBLE()
EVENT = Types.ROW_NAMED(
    [
        "event_id", "type", "tenant", "device_id", "site", "event_time", "detected_at", "cause", "part_of",
        "devices", "details",
    ],
    [*[_TEXT] * 5, _LONG, _LONG, _TEXT, _TEXT, _LONG, Types.MAP(_TEXT, _TEXT)],
)  # fmt: skip
_SESSION = Types.ROW_NAMED(
    [
        "tenant", "device_id", "session_start", "session_end", "readings", "gaps", "battery_min",
        "battery_max", "signal_min", "signal_max", "site", "profile", "late_count",
    ],
    [_TEXT, _TEXT, *[_LONG] * 4, *[_DOUBLE] * 4, _TEXT, _TEXT, _LONG],
)  # fmt: skip
_PRESENCE = Types.ROW_NAMED(
    [
        "tenant", "device_id", "state", "since", "session_start", "last_arrival", "site", "profile",
        "flapping", "clock_offset",
    ],
    [*[_TEXT] * 3, *[_LONG] * 3, _TEXT, _TEXT, Types.BOOLEAN(), _LONG],
)  # fmt: skip
_SESSIONS = OutputTag("closed_sessions", _SESSION)
_PRESENCES = OutputTag("presences", _PRESENCE)


class AdvanceShard(KeyedProcessFunction):  # type: ignore[misc]
    """Holds the state of a shard as one blob (see `udfs.presence`)."""

    _state: ValueState

    def open(self, runtime_context: RuntimeContext) -> None:
        """Name the state; a savepoint finds it by this name."""
        kind = Types.PRIMITIVE_ARRAY(Types.BYTE())
        self._state = runtime_context.get_state(ValueStateDescriptor("shard", kind))

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        """Take what came of a shard in one pane; yield what changed."""
        shard = decode_shard(self._state.value())
        arrived = decode(value[1])
        changes = advance(
            shard,
            arrived.activities,
            arrived.signals,
            arrived.contexts,
            arrived.tick,
            arrived.read,
            now_ms(),
        )
        self._state.update(encode_shard(shard))
        for change in changes:
            if isinstance(change, DeviceEvent):
                yield Row(*change)
            elif isinstance(change, ClosedSession):
                yield _SESSIONS, Row(*_names(change.owner), *change[1:])
            elif isinstance(change, Presence):
                yield _PRESENCES, Row(*_names(change.owner), *change[1:])


def _names(owner: str) -> tuple[str, str]:
    tenant, _, device_id = owner.partition("/")
    return tenant, device_id


def provide(tables: StreamTableEnvironment) -> dict[str, Table]:
    """Add the step; return its views."""
    changes = keyed_step(tables, "shard_panes", lambda row: row[0], AdvanceShard(), EVENT, "advance-shards")
    streams = {
        "device_changes": changes,
        "closed_sessions": changes.get_side_output(_SESSIONS).uid("closed-sessions"),
        "presences": changes.get_side_output(_PRESENCES).uid("presences"),
    }
    return {name: tables.from_data_stream(stream) for name, stream in streams.items()}
