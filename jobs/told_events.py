"""Events as they are told: devices of a site that fall silent together are one event of the site."""

from collections.abc import Iterator

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import ValueState, ValueStateDescriptor
from pyflink.table import StreamTableEnvironment, Table

from jobs.device_changes import EVENT
from jobs.runtime.keyed_step import keyed_step
from udfs.device_state import DeviceEvent
from udfs.sites import advance_site, decode_site, encode_site

HEADER = {"owner": "data-platform", "reads": ["device_changes"], "provides": ["told_events", "kept_events"]}


class AdvanceSite(KeyedProcessFunction):  # type: ignore[misc]
    """Holds the state of a site as one blob (see `udfs.sites`)."""

    _state: ValueState

    def open(self, runtime_context: RuntimeContext) -> None:
        """Name the state; a savepoint finds it by this name."""
        kind = Types.PRIMITIVE_ARRAY(Types.BYTE())
        self._state = runtime_context.get_state(ValueStateDescriptor("site", kind))

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterator[Row]:
        """Take one event of a device; yield it, and what it means for its site."""
        event = DeviceEvent(*value)
        if not concerns_site(event.type, event.site):
            yield value
            return
        site = decode_site(self._state.value())
        told = advance_site(site, event)
        self._state.update(encode_site(site))
        for one in told:
            yield Row(*one)


def concerns_site(kind: str, site: str) -> bool:
    """Tell whether an event changes how many devices of a site are there."""
    return site != "" and kind in {"online", "offline"}


def key_of(event: Row) -> str:
    """Return what an event is kept in order by: its site where it concerns one, else its device."""
    _, kind, tenant, device_id, site, *_ = event
    return f"{tenant}/site/{site}" if concerns_site(kind, site) else f"{tenant}/device/{device_id}"


def provide(tables: StreamTableEnvironment) -> dict[str, Table]:
    """Add the step; return its views: the same, but statements that share one share its operators' uids."""
    told = keyed_step(tables, "device_changes", key_of, AdvanceSite(), EVENT, "advance-sites")
    return {name: tables.from_data_stream(told) for name in ("told_events", "kept_events")}
