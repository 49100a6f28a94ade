"""`millrace devices sessions` and `events`: a device's history; asks the API of this stack."""

import json
from typing import Annotated, Any
from urllib.parse import quote

import typer

from api.asking import ask

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
    found = ask("GET", f"/devices/{quote(device, safe='')}/sessions", asked)
    opening = [f"{found['open_since']}  open"] if found["open_since"] and not cursor else []
    _show(found, [*opening, *map(_session, found["sessions"])], "no sessions", as_json)


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
    found = ask("GET", f"/devices/{quote(device, safe='')}/events", asked)
    _show(found, list(map(_event, found["events"])), "no events", as_json)


def _show(found: Any, lines: list[str], nothing: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found))
        return
    for line in lines or [nothing]:
        typer.echo(line)
    if found["next_cursor"]:
        typer.echo(f"more: --cursor {found['next_cursor']}")


def _session(one: Any) -> str:
    late = f", {one['late_count']} late" if one["late_count"] else ""
    corrected = f"  revision {one['revision']}" if one["revision"] else ""
    span = f"{one['session_start']} to {one['session_end']}"
    return f"{span}  {one['readings']} readings, {one['gaps']} gaps{late}{corrected}"


def _event(one: Any) -> str:
    details = ", ".join(f"{name} {value}" for name, value in one["details"].items())
    return f"{one['event_time']}  {one['type']:<10} {one['cause']:<16} {details}".rstrip()
