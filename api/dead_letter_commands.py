"""`millrace dead-letters`: browse what the gateway refused and replay it; asks the API of this stack."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from millrace.errors import MillraceError
from millrace.settings import settings

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
        "to_number:FIELD, assume_utc:FIELD, or JSON. A field: event_time, metrics.x, location.lat.",
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
    _show(found, as_json, _page)


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
    _show(_ask("GET", "/summary", asked | {"tenant": tenant}), as_json, _counts)


@app.command()
def show(
    dead_letter_id: Annotated[str, typer.Argument(help="Id, such as 0-17.")],
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Show one dead letter with its bytes, what its reason means and what to do."""
    _show(_ask("GET", f"/{dead_letter_id}", {"tenant": tenant}), as_json, _letter)


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
        _show(_ask("POST", f"/{_only(ids)}/replay", asked, request), as_json, lambda one: [_outcome(one)])
        return
    if not ids and not (reason or device or source):
        raise MillraceError(
            "nothing says which letters", where="replay", mend="Name ids, or --reason, --device or --source."
        )
    chosen: dict[str, Any] = {"reason": reason, "device": device, "source": source, "from": from_, "to": to}
    selection = {"ids": ids} if ids else {"filter": chosen}
    found = _ask("POST", "/replay", asked | {"limit": limit, "cursor": cursor}, selection | {"fixes": fixes})
    _show(found, as_json, _report)


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
    raise MillraceError(
        f"no fix is written {text!r}", where="--fix", mend="`millrace dead-letters replay --help` lists them."
    )


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise MillraceError(f"no JSON message: {error}", where=str(path), mend="Correct the file.") from None


def _only(ids: list[str] | None) -> str:
    if not ids or len(ids) != 1:
        raise MillraceError(
            "--body goes with one id", where="--body", mend="Name the one letter it corrects."
        )
    return ids[0]


def _ask(method: str, path: str, asked: dict[str, Any], request: Any = None) -> Any:
    import httpx

    address = f"http://{settings().address('api')}/dead-letters{path}"
    parameters = {name: value for name, value in asked.items() if value is not None}
    try:
        reply = httpx.request(method, address, params=parameters, json=request, timeout=300, trust_env=False)
    except httpx.HTTPError as error:
        raise MillraceError(
            f"the API does not answer: {type(error).__name__}", where=address, mend="`millrace up` starts it."
        ) from None
    found = reply.json()
    if reply.is_error:
        raise MillraceError(found["detail"].rstrip("."), where=found["where"], mend=found["mend"])
    return found


def _show(found: Any, as_json: bool, lines: Callable[[Any], list[str]]) -> None:
    typer.echo(json.dumps(found) if as_json else _harmless("\n".join(lines(found))))


def _harmless(text: str) -> str:
    # What a device sent must not steer the terminal it is shown on.
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "�" for letter in text)


def _page(found: Any) -> list[str]:
    rows = [_line(letter) for letter in found["dead_letters"]]
    more = [f"more: --cursor {found['next_cursor']}"] if found["next_cursor"] else []
    return (rows or ["no dead letters"]) + more


def _line(letter: Any) -> str:
    replayed = letter["replay"]["state"] if letter["replay"] else "-"
    device = letter["device_id"] or "-"
    return (
        f"{letter['dead_letter_id']:>10}  {letter['received_at']}  {letter['reason']:<20} {device:<20} "
        f"{letter['source']:<5} {replayed:<9} {letter['detail']}"
    )


def _counts(found: Any) -> list[str]:
    rows = [f"{c['count']:>10}  {c['reason']:<20} {c['source']:<6} {c['meaning']}" for c in found["counts"]]
    return [*rows, f"{found['total']:>10}  in all"]


def _letter(found: Any) -> list[str]:
    original = found["original"]["text"]
    body = f"base64 {found['original']['base64']}" if original is None else original
    return [_line(found), "", found["meaning"], found["mend"], "", body]


def _outcome(one: Any) -> str:
    again = " (earlier)" if one["repeated"] else ""
    why = f"  {one['reason'] or ''} {one['detail'] or ''}".rstrip()
    return f"{one['dead_letter_id']:>10}  {one['outcome']}{again}{why}"


def _report(found: Any) -> list[str]:
    lines = [_outcome(one) for one in found["outcomes"]]
    lines += [f"{dead_letter_id:>10}  unknown" for dead_letter_id in found["unknown_ids"]]
    lines += [f"stopped: {found['stopped']}; the same command goes on"] if found["stopped"] else []
    lines += [f"more: --cursor {found['next_cursor']}"] if found["next_cursor"] else []
    counts = ", ".join(f"{count} {word}" for word, count in found["counts"].items())
    return [*lines, counts or "nothing to replay"]
