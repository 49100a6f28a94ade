"""`GET /devices/{device_id}/sessions` and `/events`: what was, from the lake; what is now, from Redis.

The lake's libraries are loaded when they are first needed (see `lake_access`).
"""

from asyncio import to_thread
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from api.answers import Answer
from api.history_answers import DeviceEvent, DeviceSession, EventPage, SessionPage, Written
from api.problems import ProblemError, WrongParameterError
from api.queries.devices import DeviceState, decode_cursor, encode_cursor, parse_state
from api.queries.hot_store import HotStore, IndexEntry
from api.queries.known_devices import find_unseen
from api.queries.lake_access import open_table
from api.queries.timerange import Span
from millrace.clock import age_ms, to_iso
from millrace.settings import Settings

if TYPE_CHECKING:
    from catalog.device_history import Event, Session, Sought

Shape = TypeVar("Shape", bound=Answer)


class Asked(NamedTuple):
    """One page of one device's history."""

    tenant: str
    device_id: str
    span: Span
    limit: int
    cursor: str | None

    def after(self) -> IndexEntry | None:
        """Return the place the page follows; WrongParameterError when the cursor is none of ours."""
        place = decode_cursor(self.cursor) if self.cursor else None
        if place and not 0 <= place.last_seen_ms < self.span.to_ms:
            raise WrongParameterError(
                "cursor", "the cursor lies outside the range", accepted="`next_cursor` of the same question"
            )
        return place

    def sought(self) -> "Sought":
        """Return what to look for in the lake."""
        from catalog.device_history import Sought

        return Sought(self.tenant, self.device_id, *self.span)


async def list_sessions(store: HotStore, config: Settings, asked: Asked, now_ms: int) -> SessionPage:
    """Return a page of sessions; ProblemError (404) when nothing is known of the device."""
    state = parse_state(*await store.device(asked.tenant, asked.device_id))
    found, freshness = await to_thread(_sessions, config, asked, now_ms)
    await _must_be_known(config, asked, state, found)
    page = found[: asked.limit]
    more = len(found) > asked.limit
    return SessionPage(
        **_place(asked, freshness),
        open_since=state.presence["session_start"] if state else None,
        open_since_ms=state.presence["session_start_ms"] if state else None,
        sessions=[_shaped(DeviceSession, one, "session_start", "session_end") for one in page],
        next_cursor=encode_cursor(IndexEntry(page[-1].session_start, "")) if more else None,
    )


async def list_events(store: HotStore, config: Settings, asked: Asked, now_ms: int) -> EventPage:
    """Return a page of events; ProblemError (404) when nothing is known of the device."""
    state = parse_state(*await store.device(asked.tenant, asked.device_id))
    found, freshness = await to_thread(_events, config, asked, now_ms)
    await _must_be_known(config, asked, state, found)
    page = found[: asked.limit]
    more = len(found) > asked.limit
    return EventPage(
        **_place(asked, freshness),
        events=[_shaped(DeviceEvent, one, "event_time", "detected_at") for one in page],
        next_cursor=encode_cursor(IndexEntry(*page[-1].place)) if more else None,
    )


def _sessions(config: Settings, asked: Asked, now_ms: int) -> "tuple[list[Session], Written]":
    from catalog.device_history import sessions, written_ms

    after = asked.after()
    with open_table(config, "sessions") as table:
        found = sessions(table, asked.sought(), asked.limit + 1, after.last_seen_ms if after else None)
        return found, _written(written_ms(table), now_ms)


def _events(config: Settings, asked: Asked, now_ms: int) -> "tuple[list[Event], Written]":
    from catalog.device_history import Place, events, written_ms

    after = asked.after()
    with open_table(config, "device_events") as table:
        found = events(table, asked.sought(), asked.limit + 1, Place(*after) if after else None)
        return found, _written(written_ms(table), now_ms)


def _written(committed_ms: int | None, now_ms: int) -> Written:
    if committed_ms is None:
        return Written(committed=None, committed_ms=None, age_ms=None)
    age = age_ms(committed_ms, now_ms)
    return Written(committed=to_iso(committed_ms), committed_ms=committed_ms, age_ms=age)


async def _must_be_known(config: Settings, asked: Asked, state: DeviceState | None, found: list[Any]) -> None:
    if state is not None or found or asked.cursor is not None:
        return
    if await find_unseen(config, asked.tenant, asked.device_id) is None:
        raise ProblemError(
            404,
            "unknown-device",
            f"Nothing is known of a device {asked.device_id!r} of tenant {asked.tenant!r} in this range.",
            where="device_id",
            mend=f"GET /devices?tenant={asked.tenant} lists devices; an earlier `from` looks further back.",
        )


def _place(asked: Asked, freshness: Written) -> dict[str, Any]:
    span = asked.span
    return {
        "tenant": asked.tenant,
        "device_id": asked.device_id,
        "from": to_iso(span.from_ms),
        "from_ms": span.from_ms,
        "to": to_iso(span.to_ms),
        "to_ms": span.to_ms,
        "freshness": freshness,
    }


def _shaped(shape: type[Shape], row: Any, *times: str) -> Shape:
    """Make an answer of a row's fields of the same names; times in both forms, what is empty null."""
    values = {name: value for name, value in row._asdict().items() if name in shape.model_fields}
    for name in times:
        values |= {name: to_iso(values[name]), f"{name}_ms": values[name]}
    return shape(**{name: None if value == "" else value for name, value in values.items()})
