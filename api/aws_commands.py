"""`millrace rules import-aws`: a model of AWS IoT Events becomes rules and a report."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from api.asking import ask
from millrace.documents import read_json
from millrace.phrases import counted

app = typer.Typer()

_OUTCOMES = {
    "created": "created",
    "unchanged": "there already",
    "kept": "NOT created: another rule has this name",
}


@app.command("import-aws")
def import_aws(
    file: Annotated[Path, typer.Argument(help="JSON of a detector or alarm model.")],
    enable: Annotated[
        bool, typer.Option("--enable", help="Put the rules in force; by default they only watch.")
    ] = False,
    metric: Annotated[
        list[str] | None, typer.Option(help="attribute=metric where the names differ; repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be made.")] = False,
    tenant: Annotated[str | None, typer.Option(help="Default: the tenant this stack is set to.")] = None,
    create: Annotated[
        bool, typer.Option("--create", help="Make the tenant, if it is not there yet.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make rules of an AWS IoT Events model, in shadow, and say what could not be translated."""
    asked = {
        "enable": enable,
        "metric": metric,
        "dry_run": dry_run,
        "tenant": tenant,
        "create": create or None,
    }
    found = ask("POST", "/rules/import-aws", asked, body=_read(file))
    if as_json:
        typer.echo(json.dumps(found))
    else:
        _show(found)


def _read(file: Path) -> Any:
    return read_json(file)


def _show(found: Any) -> None:
    rules = found["rules"]
    would = "would become" if found["dry_run"] else "became"
    typer.echo(f"The model {would} {counted(len(rules), 'rule')}:")
    for rule in rules:
        outcome = "" if found["dry_run"] and rule["outcome"] == "created" else _OUTCOMES[rule["outcome"]]
        typer.echo(f"  {rule['rule']}: {rule['says']}")
        typer.echo(f"    {', '.join(filter(None, (found['state'], outcome)))}")
    _show_notes("Works in another way than the model:", _of(found, "differs"))
    _show_notes("Could not be translated:", _of(found, "left out"))
    for warning in found["warnings"]:
        typer.secho(f"! {warning}", fg=typer.colors.YELLOW, err=True)
    made = [rule["rule"] for rule in rules if rule["outcome"] == "created"]
    if made and not found["dry_run"]:
        typer.echo(f"Next: `millrace rules backtest {made[0]} --from -7d`, then name channels in `notify`.")


def _of(found: Any, kind: str) -> list[Any]:
    return [note for note in found["notes"] if note["kind"] == kind]


def _show_notes(title: str, notes: Sequence[Any]) -> None:
    if not notes:
        return
    typer.echo(title)
    for note in notes:
        typer.echo(f"  {note['where']}")
        typer.echo(f"    {note['what']}")
