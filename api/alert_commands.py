"""`millrace alerts`: what was raised, and taking care of it; asks the API of this stack."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

import typer

from api.asking import ask, path_of, print_answer, print_more, time_text
from millrace.errors import MillraceError
from millrace.output import Column, left, print_lines, print_table

app = typer.Typer(no_args_is_help=True, help="What was raised, and who takes care of it.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Tenant = Annotated[str | None, typer.Option(help="Default: the tenant this stack is set to.")]
Ids = Annotated[list[str], typer.Argument(help="Ids of alerts.")]
_COLUMNS = left(
    "alert", "onset UTC", "severity", "state", "device", "rule", "site", "assignee", "cleared UTC"
)
_WAITS = {
    "group_wait": "gathers alerts of its rule and site until {at} (group_wait_s {group_wait_s})",
    "snooze": "waits for the end of the snooze at {at}",
    "retry": "is tried again at {at}",
    "delivery": "is due, the channel takes it next",
}


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
    print_answer(ask("GET", "/alerts", asked | {"limit": limit}), as_json, _show_page)


@app.command()
def show(
    alert_id: Annotated[str, typer.Argument(help="Id of the alert.")],
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Show one alert with its figures, its history, comments and messages, and what these wait for."""
    print_answer(ask("GET", path_of("alerts", alert_id), {"tenant": tenant}), as_json, _show_alert)


@app.command()
def ack(ids: Ids, tenant: Tenant = None, as_json: Json = False) -> None:
    """Say that you take care of alerts, which ends their escalation."""
    _act(ids, "acknowledge", tenant, as_json)


@app.command()
def clear(ids: Ids, tenant: Tenant = None, as_json: Json = False) -> None:
    """End alerts by hand; each stays so until its condition ends and begins anew."""
    _act(ids, "clear", tenant, as_json)


@app.command()
def assign(
    ids: Ids,
    to: Annotated[str | None, typer.Option(help="Who takes care of them.")] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Nobody in particular any more.")] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Give alerts to somebody, or to nobody in particular."""
    if (to is None) != nobody:
        raise MillraceError("nothing says to whom", where="--to", mend="Give --to NAME, or --nobody.")
    _act(ids, "assign", tenant, as_json, {"assignee": to})


@app.command()
def snooze(
    ids: Ids,
    duration: Annotated[str | None, typer.Option("--for", help="How long: 90s, 15m, 2h, 3d.")] = None,
    until: Annotated[str | None, typer.Option(help="Until when: RFC 3339 or epoch ms.")] = None,
    end: Annotated[bool, typer.Option("--end", help="End the snooze instead.")] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Let nobody be told of alerts for a time, except that they are over."""
    if [duration is not None, until is not None, end].count(True) != 1:
        raise MillraceError(
            "nothing says for how long", where="--for", mend="Give one of --for, --until and --end."
        )
    _act(ids, "snooze", tenant, as_json, {"for_s": _seconds(duration), "until": until})


@app.command()
def comment(
    alert_id: Annotated[str, typer.Argument(help="Id of the alert.")],
    text: Annotated[str, typer.Argument(help="What to say.")],
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Say something about an alert; `show` lists what was said."""
    said = ask("POST", path_of("alerts", alert_id, "comments"), {"tenant": tenant}, body={"text": text})
    print_answer(said, as_json, lambda one: _show_comments([one]))


def _seconds(duration: str | None) -> int | None:
    from catalog.registry_entries import parse_duration_s

    if duration is None:
        return None
    try:
        return int(parse_duration_s(duration))
    except ValueError as error:
        raise MillraceError(str(error), where="--for", mend="Say it as 90s, 15m, 2h or 3d.") from None


def _act(ids: list[str], action: str, tenant: str | None, as_json: bool, body: Any = None) -> None:
    asked = {"tenant": tenant}
    found = [ask("POST", path_of("alerts", one, action), asked, body=body) for one in ids]
    print_answer({"alerts": found, "next_cursor": None}, as_json, _show_page)


def _show_page(found: Any) -> None:
    _show_alerts(found["alerts"])
    print_more(found)


def _show_alerts(alerts: list[Any]) -> None:
    if not alerts:
        print_lines(["no alerts"])
        return
    rows = [
        (
            one["alert_id"],
            time_text(one["onset"]),
            one["severity"],
            one["state"],
            one["device_id"],
            one["rule"],
            one["site"],
            one["assignee"] or "",
            time_text(one["cleared"]),
        )
        for one in alerts
    ]
    # A column in which nothing stands takes no room.
    shown = [place for place in range(len(_COLUMNS)) if any(row[place] for row in rows)]
    print_table([_COLUMNS[place] for place in shown], [[row[place] for place in shown] for row in rows])


def _show_alert(found: Any) -> None:
    _show_alerts([found])
    print_lines(["  " + ", ".join(f"{name} {value}" for name, value in found["evidence"].items())])
    if found["snoozed_until"]:
        print_lines([f"  snoozed until {time_text(found['snoozed_until'])} UTC"])
    _print_section("history", found["history"], _show_history)
    _print_section("comments", found["comments"], _show_comments)
    _print_section("messages", found["notifications"], _show_messages)


def _print_section(title: str, rows: list[Any], show_rows: Callable[[list[Any]], None]) -> None:
    if rows:
        print_lines(["", title])
        show_rows(rows)


def _show_history(history: Iterable[Any]) -> None:
    rows = [(time_text(one["at"]), one["kind"], one["actor"], _detail(one["detail"])) for one in history]
    print_table((*left("time UTC", "what", "by"), Column("detail", wraps=True)), rows)


def _detail(detail: dict[str, Any]) -> str:
    parts = []
    for name, value in detail.items():
        shown = _detail(value) if isinstance(value, dict) else value
        parts.append(", ".join(map(str, shown)) if isinstance(shown, list) else f"{name} {shown}")
    return ", ".join(parts)


def _show_comments(comments: Iterable[Any]) -> None:
    rows = [(time_text(one["made_at"]), one["author"], one["text"]) for one in comments]
    print_table((*left("time UTC", "author"), Column("comment", wraps=True)), rows)


def _show_messages(messages: Iterable[Any]) -> None:
    rows = [
        (time_text(one["created_at"]), one["channel"], one["reason"], one["state"], _what_next(one))
        for one in messages
    ]
    print_table((*left("time UTC", "channel", "reason", "state"), Column("note", wraps=True)), rows)


def _what_next(one: Any) -> str:
    at = time_text(one["next_attempt_at"])
    waits = (
        _WAITS[one["waits_for"]].format(at=at, group_wait_s=one["group_wait_s"]) if one["waits_for"] else ""
    )
    sent = f"sent {time_text(one['sent_at'])}" if one["sent_at"] else ""
    return "; ".join(filter(None, (sent, waits, one["last_error"] or "")))
