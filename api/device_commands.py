"""`millrace devices sessions` and `events`: a device's history; asks the API of this stack."""

from typing import Annotated, Any

import typer

from api.asking import ask, path_of, print_answer, print_more, time_text
from millrace.output import Column, left, print_lines, print_table, right

app = typer.Typer()
Device = Annotated[str, typer.Argument(help="Device.")]
From = Annotated[str, typer.Option("--from", help="-1h, -7d, RFC 3339, epoch ms.")]
To = Annotated[str, typer.Option(help="Same forms, and `now`.")]
Tenant = Annotated[str | None, typer.Option(help="Default: the tenant this stack is set to.")]
Limit = Annotated[int, typer.Option(min=1, max=1000)]
Cursor = Annotated[str | None, typer.Option(help="`next_cursor` of an earlier answer.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


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
