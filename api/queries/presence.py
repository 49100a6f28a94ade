"""What the sessions job says of a device: the `@` fields of its hash, and which devices are asked for."""

from typing import Any, Literal, NamedTuple, cast

from api.answers import PresenceState
from millrace.clock import to_iso

ONLINE_WITHIN_MS = 300_000
State = Literal["any", "online", "offline", "maintenance", "never_seen", "history_only"]


class Wanted(NamedTuple):
    """Which devices are asked for."""

    state: State = "any"
    site: str | None = None


def state_of(said: bytes | None, last_seen_ms: int, now_ms: int) -> PresenceState:
    """Return a device's state; while the stream has said nothing, by its newest event time."""
    if said:
        return cast(PresenceState, said.decode())
    return "online" if last_seen_ms >= now_ms - ONLINE_WITHIN_MS else "offline"


def presence(stored: dict[bytes, bytes]) -> dict[str, Any]:
    """Shape the presence fields of a device's hash as those of the answer; null where there is none."""
    return {
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
