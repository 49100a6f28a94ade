"""`millrace alerts`: what was raised, and taking care of it; asks the API of this stack."""

import json
from typing import Annotated, Any

import typer

from api.asking import ask

app = typer.Typer(no_args_is_help=True, help="What was raised, and who takes care of it.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Tenant = Annotated[str | None, typer.Option(help="Default: the tenant this stack is set to.")]
Ids = Annotated[list[str], typer.Argument(help="Ids of alerts.")]


@app.command("list")
def list_alerts(
    state: Annotated[
        str, typer.Option(help="active, open, acknowledged, cleared, withdrawn or any.")
    ] = "active",
    severity: Annotated[str | None, typer.Option(help="info, warning or critical.")] = None,
    rule: Annotated[str | None, typer.Option(help="Rule.")] = None,
    device: Annotated[str | None, typer.Option(help="Device.")] = None,
    site: Annotated[str | None, typer.Option(help="Site.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="Onset from: -1h, -7d, RFC 3339, epoch ms.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Onset before; same forms.")] = None,
    shadow: Annotated[
        str, typer.Option(help="Alerts of rules that only watch: exclude, include or only.")
    ] = "exclude",
    tenant: Tenant = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    cursor: Annotated[str | None, typer.Option(help="`next_cursor` of an earlier answer.")] = None,
    as_json: Json = False,
) -> None:
    """List alerts, the newest onset first."""
    asked = {"state": state, "severity": severity, "rule": rule, "device": device, "site": site}
    asked |= {"from": from_, "to": to, "shadow": shadow, "tenant": tenant, "cursor": cursor}
    found = ask("GET", "/alerts", asked | {"limit": limit})
    if as_json:
        typer.echo(json.dumps(found))
        return
    for alert in found["alerts"]:
        typer.echo(_line(alert))
    if not found["alerts"]:
        typer.echo("no alerts")
    if found["next_cursor"]:
        typer.echo(f"more: --cursor {found['next_cursor']}")


@app.command()
def show(
    alert_id: Annotated[str, typer.Argument(help="Id of the alert.")],
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Show one alert with its figures, all that happened to it, and who was told."""
    found = ask("GET", f"/alerts/{alert_id}", {"tenant": tenant})
    if as_json:
        typer.echo(json.dumps(found))
        return
    typer.echo(_line(found))
    typer.echo("  " + ", ".join(f"{name} {value}" for name, value in found["evidence"].items()))
    for event in found["history"]:
        typer.echo(f"  {event['at']}  {event['kind']:<15} {event['actor']}")
    for said in found["comments"]:
        typer.echo(f"  {said['made_at']}  {said['author']}: {said['text']}")
    for told in found["notifications"]:
        typer.echo(f"  {told['created_at']}  told {told['channel']} ({told['reason']}): {told['state']}")


@app.command()
def ack(ids: Ids, tenant: Tenant = None) -> None:
    """Say that you take care of alerts, which ends their escalation."""
    for alert_id in ids:
        typer.echo(_line(ask("POST", f"/alerts/{alert_id}/acknowledge", {"tenant": tenant})))


def _line(alert: Any) -> str:
    place = f"{alert['site']}/{alert['device_id']}" if alert["site"] else alert["device_id"]
    ended = f"until {alert['cleared']}" if alert["cleared"] else ""
    return (
        f"{alert['alert_id']}  {alert['onset']}  {alert['severity']:<8} {alert['state']:<12} "
        f"{place:<24} {alert['rule']} {ended}"
    ).rstrip()
