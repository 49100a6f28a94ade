"""What each device is judged by (its *context*), read from PostgreSQL, and what of it changed since."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from psycopg import Connection

from catalog.device_terms import counters_of
from catalog.migrations import connect
from catalog.statements import statements
from millrace.clock import now_ms
from millrace.settings import Settings
from millrace.unregistered import DEFAULT_EXPECTED_INTERVAL_MS, DEFAULT_OFFLINE_AFTER_MS, DEFAULT_PROFILE


class Context(NamedTuple):
    """What the registry says of a device; first the fields of `udfs.device_state.Context`, in its order."""

    owner: str
    site: str = ""
    profile: str = DEFAULT_PROFILE
    firmware: str = ""
    offline_after_ms: int = DEFAULT_OFFLINE_AFTER_MS
    expected_interval_ms: int = DEFAULT_EXPECTED_INTERVAL_MS
    maintenance_from_ms: int | None = None
    maintenance_until_ms: int | None = None
    tags: tuple[str, ...] = ()
    registered_ms: int | None = None
    counters: tuple[str, ...] = ()


class Progress(NamedTuple):
    """How far a reader of changes has come: change number, and until when ended windows were looked at."""

    change: int = 0
    at_ms: int = 0


class Changes(NamedTuple):
    """Contexts that are not what they were, and the progress once they are published."""

    contexts: list[Context]
    progress: Progress
    complete: bool


def context_of(settings: Settings, owners: Collection[str]) -> dict[str, Context]:
    """Return the context of each `tenant/device_id`; one that is not in the registry has the default."""
    at_ms = now_ms()
    with connect(settings) as connection:
        rows = _rows_of(connection, [tuple(owner.split("/", 1)) for owner in owners], at_ms)
    return {owner: Context(owner) for owner in owners} | {
        found.owner: found for found in _contexts(rows, at_ms)
    }


def progress_of(connection: Connection, topic: str) -> Progress:
    """Return how far the publisher of a topic has come; holds off other publishers of it until commit."""
    row = connection.execute(statements("contexts")["progress"], {"topic": topic}).fetchone()
    return Progress(*row) if row else Progress()


def keep_progress(connection: Connection, topic: str, progress: Progress) -> None:
    """Remember how far the publisher of a topic has come."""
    connection.execute(statements("contexts")["keep_progress"], {"topic": topic, **progress._asdict()})


def changes_since(connection: Connection, since: Progress, now_ms: int, limit: int) -> Changes:
    """Return contexts changed above `since.change`, then those whose maintenance window has ended.

    At most `limit` of the former; while there are more, `complete` is false.
    """
    known, asked = statements("contexts"), {"now_ms": now_ms, "limit": limit, "since": since.change}
    changed = connection.execute(known["changed"], asked).fetchall()
    change = changed[-1][-1] if changed else since.change
    if len(changed) == limit:
        return Changes(_contexts(changed, now_ms), Progress(change, since.at_ms), False)
    ended = connection.execute(known["ended"], {"now_ms": now_ms, "since_ms": since.at_ms}).fetchall()
    rows = [*changed, *_rows_of(connection, ended, now_ms)]
    return Changes(_contexts(rows, now_ms), Progress(change, now_ms), True)


def _rows_of(connection: Connection, devices: Sequence[Sequence[str]], now_ms: int) -> list[Any]:
    if not devices:
        return []
    tenants, device_ids = zip(*devices, strict=True)
    wanted = {"now_ms": now_ms, "tenants": list(tenants), "device_ids": list(device_ids)}
    return connection.execute(statements("contexts")["of_devices"], wanted).fetchall()


def _contexts(rows: Iterable[Sequence[Any]], now_ms: int) -> list[Context]:
    # One that changed and whose window has ended comes once.
    return list({context.owner: context for context in (_context(row, now_ms) for row in rows)}.values())


def _context(row: Sequence[Any], now_ms: int) -> Context:
    tenant, device_id, site, profile, firmware, tags, metrics, *numbers, windows_ms, _ = row
    offline_after_s, expected_interval_s, registered_ms = numbers
    from_ms, until_ms = effective_window(windows_ms or [], now_ms) or (None, None)
    return Context(
        owner=f"{tenant}/{device_id}",
        site=site,
        profile=profile,
        firmware=firmware,
        offline_after_ms=_milliseconds(offline_after_s, DEFAULT_OFFLINE_AFTER_MS),
        expected_interval_ms=_milliseconds(expected_interval_s, DEFAULT_EXPECTED_INTERVAL_MS),
        maintenance_from_ms=from_ms,
        maintenance_until_ms=until_ms,
        tags=tuple(tags),
        registered_ms=registered_ms,
        counters=tuple(sorted(counters_of(metrics or {}))),
    )


def _milliseconds(duration_s: int | None, default_ms: int) -> int:
    return default_ms if duration_s is None else 1_000 * duration_s


def effective_window(windows_ms: Iterable[Sequence[int]], now_ms: int) -> tuple[int, int] | None:
    """Return the window that holds now, or else the next one; windows that touch are one window."""
    ahead = sorted((start, end) for start, end in windows_ms if end > now_ms)
    if not ahead:
        return None
    from_ms, until_ms = ahead[0]
    for start, end in ahead[1:]:
        if start <= until_ms:
            until_ms = max(until_ms, end)
    return from_ms, until_ms
