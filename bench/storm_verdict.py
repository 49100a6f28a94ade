"""What must and must not be told when part of a site falls silent, the stack restarts, they return."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from bench.log_records import LogRecord

_SHOWN = 5
_SITE_SHARE_PERCENT = 20
_FEWEST = 3


class Told(NamedTuple):
    """One event of `device-events`; when it was detected, appended and seen (UTC epoch milliseconds)."""

    event_id: str
    type: str
    device_id: str
    site: str
    cause: str
    part_of: str
    detected_ms: int
    appended_ms: int
    seen_ms: int
    details: dict[str, str]


class Delays(NamedTuple):
    """Milliseconds from a device's last message until its offline event was there to be read."""

    p50_ms: int
    p99_ms: int
    worst_ms: int


def told(records: Iterable[LogRecord], prefix: str) -> list[Told]:
    """Return the events of a run, each once however often it was written."""
    found: dict[str, Told] = {}
    for record in records:
        fields = record.fields
        if fields["site"].startswith(prefix) or fields["device_id"].startswith(prefix):
            found.setdefault(fields["event_id"], _told(fields, record))
    return list(found.values())


def _told(fields: Mapping[str, Any], record: LogRecord) -> Told:
    return Told(
        event_id=fields["event_id"],
        type=fields["type"],
        device_id=fields["device_id"],
        site=fields["site"],
        cause=fields["cause"],
        part_of=fields["part_of"],
        detected_ms=round(fields["detected_at"].timestamp() * 1000),
        appended_ms=record.appended_ms,
        seen_ms=record.seen_ms,
        details=fields["details"],
    )


def offline_delays(events: Iterable[Told], last_sent_ms: Mapping[str, int]) -> dict[str, int]:
    """Return by device how long after its last message its first offline event was seen."""
    delays: dict[str, int] = {}
    for event in events:
        if event.type == "offline" and event.device_id in last_sent_ms:
            delays.setdefault(event.device_id, event.seen_ms - last_sent_ms[event.device_id])
    return delays


def percentiles(delays_ms: Collection[int]) -> Delays:
    """Return p50, p99 and the worst; zeros for none."""
    ordered = sorted(delays_ms) or [0]

    def at(share: float) -> int:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    return Delays(at(0.5), at(0.99), ordered[-1])


def judge_silence(
    events: Collection[Told], last_sent_ms: Mapping[str, int], site: str, online: int, limit_ms: int
) -> list[str]:
    """Say what is wrong with the events after the devices of `last_sent_ms`, all of `site`, fell silent."""
    faults = _once_each(events, "offline", last_sent_ms.keys())
    slow = {d: ms for d, ms in offline_delays(events, last_sent_ms).items() if ms > limit_ms}
    faults += [f"offline later than {limit_ms} ms: {_some(slow)} ms"] if slow else []
    silent = [event for event in events if event.type == "site_silent"]
    if [event.site for event in silent] != [site]:
        return [*faults, f"site_silent events of {[event.site for event in silent]}, expected one of {site}"]
    alone = [e for e in events if e.type == "offline" and e.part_of != silent[0].event_id]
    # Those that went before there were enough of them could not name the site's event.
    enough = max(_FEWEST, -(-online * _SITE_SHARE_PERCENT // 100))
    if len(alone) >= enough:
        faults.append(f"{len(alone)} offline events are not part of the site's, at most {enough - 1} can be")
    return faults


def judge_restart(events: Collection[Told], living: Collection[str]) -> list[str]:
    """Say which of the living were called offline, and which sites silent, by a restart of the stack."""
    dead = [event.device_id for event in events if event.type == "offline" and event.device_id in living]
    sites = [event.site for event in events if event.type == "site_silent"]
    return [f"{len(dead)} offline events of the living: {dead[:_SHOWN]}"] * bool(dead) + [
        f"site_silent of {name} while its devices lived" for name in sites
    ]


def judge_return(events: Collection[Told], returned: Collection[str], site: str) -> list[str]:
    """Say what is wrong with the events after stopped devices of a site were started again."""
    faults = _once_each(events, "online", returned)
    back = [event.site for event in events if event.type == "site_back"]
    return faults if back == [site] else [*faults, f"site_back events of {back}, expected one of {site}"]


def _once_each(events: Collection[Told], kind: str, devices: Collection[str]) -> list[str]:
    named = [event.device_id for event in events if event.type == kind]
    missing = sorted(set(devices) - set(named))
    others = sorted(set(named) - set(devices))
    again = sorted({device for device in named if named.count(device) > 1})
    return [
        f"{len(found)} devices {what}: {found[:_SHOWN]}"
        for what, found in (
            (f"without {kind} event", missing),
            (f"with an {kind} event nobody caused", others),
            (f"with more than one {kind} event", again),
        )
        if found
    ]


def _some(values: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(values.items())[:_SHOWN])
