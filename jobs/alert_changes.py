"""Changes of alerts: the rules of all devices of a shard, one call for what a batch of the log brings."""

from collections.abc import Iterable, Iterator
from typing import Any

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapState, MapStateDescriptor
from pyflink.table import StreamTableEnvironment, Table

from jobs.runtime.keyed_step import keyed_step
from millrace.clock import now_ms
from udfs.rules.alerts import AlertChange
from udfs.rules.arrived import decode
from udfs.rules.shard import AlertShard, Timelines

HEADER = {"owner": "data-platform", "reads": ["judged_parts"], "provides": ["alert_changes"]}
# Event time is told of once a second: the clock that carries it is no finer.
_TIMER_MS = 1_000
_TEXT, _LONG, _FLAG = Types.STRING(), Types.LONG(), Types.BOOLEAN()
CHANGE = Types.ROW_NAMED(
    [
        "alert_id", "tenant", "device_id", "site", "rule", "rule_version", "kind", "severity", "onset_ms",
        "at_ms", "shadow", "retroactive", "evidence",
    ],
    [*[_TEXT] * 5, _LONG, _TEXT, _TEXT, _LONG, _LONG, _FLAG, _FLAG, Types.MAP(_TEXT, _TEXT)],
)  # fmt: skip


class JudgeShard(KeyedProcessFunction):  # type: ignore[misc]
    """Holds devices and rules in memory, and a blob of each in keyed state (see `udfs.rules.shard`)."""

    _devices: MapState
    _rules: MapState
    _held: MapState

    def open(self, runtime_context: RuntimeContext) -> None:
        """Name the states; a savepoint finds them by these names."""
        kind = Types.PRIMITIVE_ARRAY(Types.BYTE())
        self._devices = runtime_context.get_map_state(MapStateDescriptor("devices", _TEXT, kind))
        self._rules = runtime_context.get_map_state(MapStateDescriptor("rules", _TEXT, kind))
        self._held = runtime_context.get_map_state(MapStateDescriptor("held", _LONG, kind))
        self._timelines = Timelines()
        self._shards: dict[str, AlertShard] = {}
        self._timers_ms: dict[str, int] = {}

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterator[Row]:
        """Take what a batch of the log brought to a shard; yield what became of alerts."""
        shard = self._shard(value[0])
        changes = shard.take(decode(value[1]), ctx.timer_service().current_watermark(), now_ms())
        return self._told(value[0], shard, changes, ctx)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Row]:
        """Let event time pass; yield what became of alerts by it."""
        key = ctx.get_current_key()
        shard = self._shard(key)
        self._timers_ms.pop(key, None)
        changes = shard.pass_time(max(timestamp, ctx.timer_service().current_watermark()))
        return self._told(key, shard, changes, ctx)

    def _shard(self, key: str) -> AlertShard:
        shard = self._shards.get(key)
        if shard is None:
            self._timelines.restore(self._rules.items())
            shard = self._shards[key] = AlertShard(self._timelines)
            for owner, data in self._devices.items():
                shard.restore(owner, data)
            shard.restore_held(self._held.items())
        return shard

    def _told(
        self, key: str, shard: AlertShard, changes: Iterable[AlertChange], ctx: KeyedProcessFunction.Context
    ) -> Iterator[Row]:
        for name, data in shard.take_learned():
            self._rules.put(name, data)
        _keep(self._devices, shard.take_touched())
        _keep(self._held, shard.take_held())
        self._set_timer(key, shard.deadline_ms(), ctx)
        for change in changes:
            yield _row(change)

    def _set_timer(self, key: str, deadline_ms: int | None, ctx: KeyedProcessFunction.Context) -> None:
        if deadline_ms is None:
            return
        timer_ms = -(-deadline_ms // _TIMER_MS) * _TIMER_MS
        known_ms = self._timers_ms.get(key)
        if known_ms is None or timer_ms < known_ms:
            self._timers_ms[key] = timer_ms
            ctx.timer_service().register_event_time_timer(timer_ms)


def _keep(state: MapState, changed: Iterable[tuple[Any, bytes | None]]) -> None:
    for name, data in changed:
        if data is None:
            state.remove(name)
        else:
            state.put(name, data)


def _row(change: AlertChange) -> Row:
    evidence = {name: str(value) for name, value in change.evidence.items()}
    return Row(*change[:-1], evidence)


def provide(tables: StreamTableEnvironment) -> dict[str, Table]:
    """Add the step; return its view."""
    changes = keyed_step(tables, "judged_parts", lambda row: row[0], JudgeShard(), CHANGE, "judge-shards")
    return {"alert_changes": tables.from_data_stream(changes)}
