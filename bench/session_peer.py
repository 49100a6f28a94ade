"""The peer of the sessions job: the same state machine as a plain keyed process function of PyFlink.

One call for each reading, keyed by device, with a timer for its silence. It looks for no duplicates,
knows no contexts and no signals: all that favours it.
"""

from collections.abc import Iterator
from typing import Any

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import ValueState, ValueStateDescriptor
from pyflink.table import StatementSet, StreamTableEnvironment, TableDescriptor

from jobs.runtime.keyed_step import keyed_step
from udfs.device_state import Activity, DeviceEvent, Shard, Tick, decode_shard, encode_shard
from udfs.presence import advance

_READINGS = """
SELECT
  CONCAT(tenant, '/', device_id) AS owner, event_time_ms, received_at_ms,
  TRY_CAST(attributes['seq'] AS BIGINT) AS seq,
  metrics['battery_pct'] AS battery, metrics['signal_dbm'] AS signal_dbm
FROM arrivals
WHERE topic = 'telemetry'
"""
_OFFLINE_AFTER_MS = 60_000
_OUT_OF_ORDERNESS_MS = 10_000


class AdvanceDevice(KeyedProcessFunction):  # type: ignore[misc]
    """Holds one device."""

    _state: ValueState

    def open(self, runtime_context: RuntimeContext) -> None:
        """Name the state."""
        # In thread mode PyFlink cannot read a primitive array that was never written.
        self._state = runtime_context.get_state(ValueStateDescriptor("device", Types.PICKLED_BYTE_ARRAY()))

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterator[str]:
        """Take one reading; one timer a device looks whether it should have been heard of."""
        owner, event_ms, log_ms, seq, battery, signal = value
        values = (seq, seq, battery, battery, signal, signal)
        one = Activity(owner, log_ms, 1, event_ms, event_ms, 0, log_ms - event_ms, *values)
        shard = decode_shard(self._state.value())
        if not (owner in shard.devices and shard.devices[owner].state == "online"):
            ctx.timer_service().register_event_time_timer(log_ms + _OFFLINE_AFTER_MS)
        yield from self._advance(shard, [one], Tick(log_ms, event_ms - _OUT_OF_ORDERNESS_MS, 0))

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[str]:
        """Judge the silence."""
        shard = decode_shard(self._state.value())
        yield from self._advance(shard, [], Tick(timestamp, timestamp - _OUT_OF_ORDERNESS_MS, 0))
        for device in shard.devices.values():
            if device.state == "online":
                again_ms = device.last_arrival_ms + _OFFLINE_AFTER_MS
                ctx.timer_service().register_event_time_timer(again_ms)

    def _advance(self, shard: Shard, activities: list[Activity], tick: Tick) -> Iterator[str]:
        changes: list[Any] = advance(shard, activities, [], [], tick)
        self._state.update(encode_shard(shard))
        return (change.event_id for change in changes if isinstance(change, DeviceEvent))


def plan_peer(tables: StreamTableEnvironment, mode: str) -> StatementSet:
    """Plan the peer into a sink that keeps nothing; `mode` is Flink's `python.execution-mode`."""
    tables.get_config().set("python.execution-mode", mode)
    # By default Python remembers 1,000 states and asks the JVM for every other one.
    tables.get_config().set("python.state.cache-size", "1000000")
    tables.create_temporary_view("peer_readings", tables.sql_query(_READINGS))
    told = keyed_step(
        tables, "peer_readings", lambda row: row[0], AdvanceDevice(), Types.STRING(), "advance-devices"
    )
    statements = tables.create_statement_set()
    statements.add_insert(TableDescriptor.for_connector("blackhole").build(), tables.from_data_stream(told))
    return statements
