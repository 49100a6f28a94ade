"""`millrace devices sessions` and `events`: a device's history; asks the API of this stack."""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from api.asking import ask, path_of, print_answer, print_more, time_text
from millrace.output import Column, left, print_lines, print_table, right
from millrace.phrases import counted

app = typer.Typer()
_PAGE = 1000
Device = Annotated[str, typer.Argument(help="Device.")]
From = Annotated[str, typer.Option("--from", help="-1h, -7d, RFC 3339, epoch ms.")]
To = Annotated[str, typer.Option(help="Same forms, and `now`.")]
Tenant = Annotated[str | None, typer.Option(help="Default: the tenant this stack is set to.")]
Limit = Annotated[int, typer.Option(min=1, max=1000)]
Cursor = Annotated[str | None, typer.Option(help="`next_cursor` of an earlier answer.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_devices(
    state: Annotated[
        str, typer.Option(help="any, online, offline, maintenance, never_seen or history_only.")
    ] = "any",
    site: Annotated[str | None, typer.Option(help="Only of this site.")] = None,
    profile: Annotated[str | None, typer.Option(help="Only registered with this profile.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only registered with this tag.")] = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """List the devices: state, last reading and site of all that are registered or ever sent a reading."""
    asked = {"state": state, "site": site, "tenant": tenant, "order": "id", "limit": _PAGE}
    found = list(_pages("/devices", asked))
    if profile or tag:
        registered = {"profile": profile, "tag": tag, "tenant": tenant, "limit": _PAGE}
        names = {one["device_id"] for one in _pages("/registry/devices", registered)}
        found = [one for one in found if one["device_id"] in names]
    print_answer(found, as_json, _show_devices)


def _pages(path: str, asked: dict[str, Any]) -> Iterator[Any]:
    page = ask("GET", path, asked)
    yield from page["devices"]
    while page.get("next_cursor"):
        page = ask("GET", path, asked | {"cursor": page["next_cursor"]})
        yield from page["devices"]


@app.command()
def sessions(
    device: Device,
    from_: From = "-7d",
    to: To = "now",
    tenant: Tenant = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_json: Json = False,
) -> None:
    """List a device's sessions, the latest first."""
    asked = {"from": from_, "to": to, "tenant": tenant, "limit": limit, "cursor": cursor}
    found = ask("GET", path_of("devices", device, "sessions"), asked)
    opening = [] if cursor is not None or not found["open_since"] else [_open_session(found["open_since"])]
    print_answer(found, as_json, lambda one: _show_sessions(one, opening))


@app.command()
def events(
    device: Device,
    from_: From = "-7d",
    to: To = "now",
    tenant: Tenant = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_json: Json = False,
) -> None:
    """List what happened to a device, the latest first."""
    asked = {"from": from_, "to": to, "tenant": tenant, "limit": limit, "cursor": cursor}
    found = ask("GET", path_of("devices", device, "events"), asked)
    print_answer(found, as_json, _show_events)


def _show_devices(devices: list[Any]) -> None:
    if not devices:
        print_lines(["no devices"])
        return
    rows = [
        (one["device_id"], _state(one), time_text(one["last_seen"]) or "never", one["site"] or "")
        for one in devices
    ]
    states = Counter(map(_state, devices))
    counts = ", ".join(f"{count:,} {state}" for state, count in sorted(states.items()))
    title = f"{counted(len(devices), 'device')}: {counts}"
    print_table(left("device", "state", "last seen UTC", "site"), rows, title=title)


def _state(one: Any) -> str:
    # Before the stream says so, a device is online that sent a reading just now.
    return str(one["state"] or ("online" if one["online"] else "offline"))


def _show_sessions(found: Any, opening: list[tuple[str, ...]]) -> None:
    rows = [*opening, *map(_session, found["sessions"])]
    if not rows:
        print_lines(["no sessions"])
        return
    columns = (*left("from UTC", "to UTC"), *right("readings", "gaps", "late", "revision"))
    print_table(columns, rows)
    print_more(found)


def _open_session(since: str) -> tuple[str, ...]:
    return time_text(since), "open", "", "", "", ""


def _session(one: Any) -> tuple[str, ...]:
    figures = (f"{one[name]:,}" for name in ("readings", "gaps", "late_count", "revision"))
    return time_text(one["session_start"]), time_text(one["session_end"]), *figures


def _show_events(found: Any) -> None:
    if not found["events"]:
        print_lines(["no events"])
        return
    rows = list(map(_event, found["events"]))
    columns = (*left("time UTC", "event", "cause", "part of"), Column("details", wraps=True))
    print_table(columns, rows)
    print_more(found)


def _event(one: Any) -> tuple[str, ...]:
    details = ", ".join(f"{name} {value}" for name, value in one["details"].items())
    return time_text(one["event_time"]), one["type"], one["cause"], one["part_of"] or "", details
