"""`millrace dead-letters`: browse what the gateway refused and replay it; asks the API of this stack."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from api.asking import ask, path_of, print_answer, print_more, time_text
from millrace.documents import read_json
from millrace.errors import MillraceError
from millrace.output import Column, left, print_lines, print_table, right

_PATIENCE_S = 300
app = typer.Typer(no_args_is_help=True, help="What the gateway refused: browse it, mend it, replay it once.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str | None, typer.Option(help="Reason code, such as bad_event_time.")]
Device = Annotated[str | None, typer.Option(help="Device.")]
Source = Annotated[str | None, typer.Option(help="Protocol: mqtt, http.")]
From = Annotated[str, typer.Option("--from", help="Received from: -1h, -7d, RFC 3339, epoch ms.")]
To = Annotated[str, typer.Option(help="Received before; same forms.")]
Tenant = Annotated[str | None, typer.Option(help="Default: the tenant this stack is set to.")]
FixOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fix",
        help="Repeatable, in order: rename:FROM:TO, set:FIELD:JSON, remove:FIELD, scale:FIELD:FACTOR, "
        "to_number:FIELD, assume_utc:FIELD, assume_zone:FIELD[:ZONE[:earlier|later]], or JSON. "
        "A field: event_time, metrics.x, location.lat.",
    ),
]


@app.command("list")
def list_letters(
    reason: Reason = None,
    device: Device = None,
    source: Source = None,
    from_: From = "-7d",
    to: To = "now",
    tenant: Tenant = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 20,
    cursor: Annotated[str | None, typer.Option(help="`next_cursor` of an earlier answer.")] = None,
    as_json: Json = False,
) -> None:
    """List dead letters, newest first."""
    asked = {"reason": reason, "device": device, "source": source, "from": from_, "to": to}
    found = _ask("GET", "", asked | {"tenant": tenant, "limit": limit, "cursor": cursor})
    print_answer(found, as_json, _show_page)


@app.command()
def summary(
    reason: Reason = None,
    device: Device = None,
    source: Source = None,
    from_: From = "-7d",
    to: To = "now",
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Count dead letters by reason and source."""
    asked = {"reason": reason, "device": device, "source": source, "from": from_, "to": to}
    print_answer(_ask("GET", "/summary", asked | {"tenant": tenant}), as_json, _show_counts)


@app.command()
def show(
    dead_letter_id: Annotated[str, typer.Argument(help="Id, such as 0-17.")],
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Show one dead letter with its bytes, what its reason means and what to do."""
    print_answer(_ask("GET", path_of(dead_letter_id), {"tenant": tenant}), as_json, _show_letter)


@app.command()
def replay(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids; without any, the filter chooses.")] = None,
    reason: Reason = None,
    device: Device = None,
    source: Source = None,
    from_: From = "-7d",
    to: To = "now",
    tenant: Tenant = None,
    fix: FixOption = None,
    body: Annotated[Path | None, typer.Option(help="File with a corrected message, for one id.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be accepted.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 100,
    cursor: Annotated[str | None, typer.Option(help="`next_cursor` of an earlier answer.")] = None,
    as_json: Json = False,
) -> None:
    """Send dead letters to the gateway again, mended or as they were, each once."""
    fixes = [parse_fix(text) for text in fix or []]
    asked = {"tenant": tenant, "dry_run": dry_run}
    if body is not None:
        request = {"body": _read(body), "fixes": fixes}
        found = _ask("POST", path_of(_only(ids), "replay"), asked, request)
        print_answer(found, as_json, lambda one: _show_outcomes([one]))
        return
    if not ids and not (reason or device or source):
        raise MillraceError(
            "nothing says which letters", where="replay", mend="Name ids, or --reason, --device or --source."
        )
    chosen: dict[str, Any] = {"reason": reason, "device": device, "source": source, "from": from_, "to": to}
    selection = {"ids": ids} if ids else {"filter": chosen}
    found = _ask("POST", "/replay", asked | {"limit": limit, "cursor": cursor}, selection | {"fixes": fixes})
    print_answer(found, as_json, _show_report)


def parse_fix(text: str) -> dict[str, Any]:
    """Read `name:argument:...`, or the fix as JSON; raise MillraceError saying which forms there are."""
    if text.startswith("{") and isinstance(_value(text), dict):
        return dict(_value(text))
    name, _, rest = text.partition(":")
    first, colon, second = rest.partition(":")
    if name == "rename" and first and second:
        return {"fix": name, "from": first, "to": second}
    if name in {"set", "scale"} and first and colon:
        return {"fix": name, "field": first, "value" if name == "set" else "factor": _value(second)}
    if name in {"remove", "to_number", "assume_utc"} and rest:
        return {"fix": name, "field": rest}
    if name == "assume_zone" and first:
        zone, _, which = second.partition(":")
        return (
            {"fix": name, "field": first}
            | ({"zone": zone} if zone else {})
            | ({"which": which} if which else {})
        )
    raise MillraceError(
        f"no fix is written {text!r}", where="--fix", mend="`millrace dead-letters replay --help` lists them."
    )


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _read(path: Path) -> Any:
    return read_json(path)


def _only(ids: list[str] | None) -> str:
    if not ids or len(ids) != 1:
        raise MillraceError(
            "--body goes with one id", where="--body", mend="Name the one letter it corrects."
        )
    return ids[0]


def _ask(method: str, path: str, asked: dict[str, Any], request: Any = None) -> Any:
    return ask(method, f"/dead-letters{path}", asked, body=request, patience_s=_PATIENCE_S)


def _show_page(found: Any) -> None:
    if found["dead_letters"]:
        _show_letters(found["dead_letters"])
    else:
        print_lines(["no dead letters"])
    print_more(found)


def _show_letters(letters: list[Any]) -> None:
    columns = (
        *left("id", "received UTC", "reason", "device", "source", "replay"),
        Column("detail", wraps=True),
    )
    print_table(columns, map(_letter_row, letters))


def _letter_row(letter: Any) -> tuple[str, ...]:
    replayed = letter["replay"]["state"] if letter["replay"] else "-"
    names = (letter["dead_letter_id"], time_text(letter["received_at"]), letter["reason"])
    return (*names, letter["device_id"] or "-", letter["source"], replayed, letter["detail"])


def _show_counts(found: Any) -> None:
    columns = (*right("count"), *left("reason", "source"), Column("meaning", wraps=True))
    rows = [(f"{one['count']:,}", one["reason"], one["source"], one["meaning"]) for one in found["counts"]]
    print_table(columns, rows, total=(f"{found['total']:,}", "in all", "", ""))


def _show_letter(found: Any) -> None:
    _show_letters([found])
    original = found["original"]["text"]
    body = f"base64 {found['original']['base64']}" if original is None else original
    print_lines(["", found["meaning"], found["mend"], "", *body.splitlines()])


def _show_outcomes(outcomes: list[Any]) -> None:
    columns = (*left("id", "outcome", "reason"), Column("detail", wraps=True))
    rows = [
        (
            one["dead_letter_id"],
            f"{one['outcome']} (earlier)" if one["repeated"] else one["outcome"],
            one["reason"] or "",
            one["detail"] or "",
        )
        for one in outcomes
    ]
    print_table(columns, rows)


def _show_report(found: Any) -> None:
    if found["outcomes"]:
        _show_outcomes(found["outcomes"])
    print_lines(f"{dead_letter_id}  unknown" for dead_letter_id in found["unknown_ids"])
    if found["stopped"]:
        print_lines([f"stopped: {found['stopped']}; the same command goes on"])
    print_more(found)
    counts = ", ".join(f"{count:,} {word}" for word, count in found["counts"].items())
    print_lines([counts or "nothing to replay"])
