"""What the sessions job says of a device: the `@` fields of its hash, and the filter by them."""

from typing import Any, Literal, NamedTuple, cast

from api.answers import PresenceState
from api.queries.hot_store import HotStore, IndexEntry
from millrace.clock import to_iso

ONLINE_WITHIN_MS = 300_000
State = Literal["any", "online", "offline", "maintenance"]


class Wanted(NamedTuple):
    """Which devices are asked for."""

    state: State = "any"
    site: str | None = None

    @property
    def everything(self) -> bool:
        """Tell whether nothing is filtered."""
        return self == Wanted()


def is_online(state: PresenceState | None, last_seen_ms: int, now_ms: int) -> bool:
    """Tell whether a device is online; while the stream has not said, by its newest event time."""
    return last_seen_ms >= now_ms - ONLINE_WITHIN_MS if state is None else state == "online"


def presence(stored: dict[bytes, bytes]) -> dict[str, Any]:
    """Shape the presence fields of a device's hash as those of the answer; null where there is none."""
    return {
        "state": _text(stored, b"@state"),
        "site": _text(stored, b"@site"),
        "profile": _text(stored, b"@profile"),
        "flapping": stored[b"@flapping"] == b"1" if b"@flapping" in stored else None,
        "clock_offset_ms": _number(stored, b"@clock_offset"),
        **_moment(stored, b"@since", "since"),
        **_moment(stored, b"@session_start", "session_start"),
    }


def _text(stored: dict[bytes, bytes], field: bytes) -> str | None:
    # A device without a site has an empty one.
    return stored[field].decode() or None if field in stored else None


def _number(stored: dict[bytes, bytes], field: bytes) -> int | None:
    return int(stored[field]) if field in stored else None


def _moment(stored: dict[bytes, bytes], field: bytes, name: str) -> dict[str, Any]:
    time_ms = _number(stored, field)
    return {name: None if time_ms is None else to_iso(time_ms), f"{name}_ms": time_ms}


async def matching(store: HotStore, tenant: str, wanted: Wanted, now_ms: int) -> list[IndexEntry]:
    """Return the devices that match, oldest first; reads two fields of every device of the tenant."""
    entries = await store.entries(tenant)
    found = await store.fields(tenant, [entry.device_id for entry in entries], ("@state", "@site"))
    return [
        entry
        for entry, (state, site) in zip(entries, found, strict=True)
        if _matches(wanted, entry, state, site, now_ms)
    ]


def _matches(wanted: Wanted, entry: IndexEntry, state: bytes | None, site: bytes | None, now_ms: int) -> bool:
    if wanted.site is not None and (site or b"").decode() != wanted.site:
        return False
    said = cast(PresenceState, state.decode()) if state else None
    if said is None:
        said = "online" if is_online(None, entry.last_seen_ms, now_ms) else "offline"
    return wanted.state in ("any", said)
