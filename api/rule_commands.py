"""`millrace rules`: rules from the command line; all but `test` ask the API of this stack."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.asking import ask, path_of, print_answer, time_text
from millrace.documents import read_text
from millrace.errors import MillraceError
from millrace.output import Column, left, print_table
from millrace.phrases import counted

if TYPE_CHECKING:
    from udfs.rules.model import Rule

app = typer.Typer(no_args_is_help=True, help="What raises alerts: write it, try it, put it in force.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Tenant = Annotated[str | None, typer.Option(help="Default: the tenant this stack is set to.")]
Create = Annotated[bool, typer.Option("--create", help="Make the tenant, if it is not there yet.")]
Name = Annotated[str, typer.Argument(help="Name of the rule.")]
Names = Annotated[list[str], typer.Argument(help="Names of rules.")]
Places = Annotated[list[Path], typer.Argument(help="YAML files, or folders of them.")]


@app.command("list")
def list_rules(
    state: Annotated[str | None, typer.Option(help="enabled, shadow or disabled.")] = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """List the rules and the version each is at."""
    asked = {"state": state, "tenant": tenant, "limit": 1000}
    page = ask("GET", "/rules", asked)
    found = page["rules"]
    while page["next_cursor"]:
        page = ask("GET", "/rules", asked | {"cursor": page["next_cursor"]})
        found += page["rules"]
    print_answer(found, as_json, _show_rules)


@app.command()
def show(
    name: Name,
    versions: Annotated[bool, typer.Option("--versions", help="All versions, newest first.")] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Show one rule as YAML, with its version and who wrote it."""
    path = path_of("rules", name, "versions") if versions else path_of("rules", name)
    found = ask("GET", path, {"tenant": tenant})
    if as_json:
        typer.echo(json.dumps(found))
    elif versions:
        _show_versions(found["versions"])
    else:
        typer.echo(f"# version {found['version']} of {found['updated_at']} by {found['updated_by']}")
        typer.echo(_yaml(found["definition"]), nl=False)
        _warn(found)


@app.command("import")
def import_rules(
    places: Places,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    tenant: Tenant = None,
    create: Create = False,
    as_json: Json = False,
) -> None:
    """Bring rules to what files say, all or nothing, if they do what their examples say; others stay."""
    from udfs.rules.model import rule_data

    body = [rule_data(rule) for rule in read_places(places)]
    asked = {"tenant": tenant, "dry_run": dry_run, "create": create or None}
    found = ask("POST", "/rules/import", asked, body=body)
    if as_json:
        typer.echo(json.dumps(found))
        return
    would = "would be " if dry_run else ""
    for what in ("created", "changed", "unchanged"):
        if found[what]:
            typer.echo(f"{would}{what}: {', '.join(found[what])}")
    _warn(found)


@app.command("export")
def export_rules(
    file: Annotated[Path | None, typer.Argument(help="Where to; standard output by default.")] = None,
    tenant: Tenant = None,
) -> None:
    """Write all rules as YAML, in the form `import` reads."""
    text = ask("GET", "/rules/export", {"tenant": tenant})
    if file is None:
        typer.echo(text, nl=False)
    else:
        file.write_text(text)


@app.command()
def delete(names: Names, tenant: Tenant = None) -> None:
    """Delete rules, which clears their alerts; their versions stay readable."""
    for name in names:
        path, asked = path_of("rules", name), {"tenant": tenant}
        version = ask("GET", path, asked)["version"]
        ask("DELETE", path, asked, headers={"If-Match": f'"{version}"'})
        typer.echo(f"rule {name} is deleted")


@app.command()
def enable(names: Names, tenant: Tenant = None, as_json: Json = False) -> None:
    """Put rules in force: they raise alerts and tell people."""
    _set_state(names, "enabled", tenant, as_json)


@app.command()
def shadow(names: Names, tenant: Tenant = None, as_json: Json = False) -> None:
    """Let rules only watch: they raise alerts of which nobody is told."""
    _set_state(names, "shadow", tenant, as_json)


@app.command()
def disable(names: Names, tenant: Tenant = None, as_json: Json = False) -> None:
    """Take rules out of force; their alerts are cleared."""
    _set_state(names, "disabled", tenant, as_json)


@app.command()
def test(places: Places, as_json: Json = False) -> None:
    """Execute the examples of rules in files, without a stack; fail when one fails."""
    from udfs.rules.examples import run_examples

    rules = read_places(places)
    failed = {rule.rule: found for rule in rules if (found := run_examples(rule))}
    if as_json:
        typer.echo(json.dumps({name: [f._asdict() for f in found] for name, found in failed.items()}))
    else:
        for name, found in failed.items():
            for failure in found:
                typer.echo(f"{name}: {failure.example}: {failure.what}")
        typer.echo(_summary(len(rules), sum(map(_examples, rules)), len(failed)))
    if failed:
        raise typer.Exit(1)


def read_places(places: list[Path]) -> "list[Rule]":
    """Return the rules of files and of folders; MillraceError saying which file is wrong."""
    from udfs.rules.yaml_form import read_rules

    files = [
        file for place in places for file in (sorted(place.glob("*.y*ml")) if place.is_dir() else [place])
    ]
    if not files:
        raise MillraceError("there is no YAML file", where=", ".join(map(str, places)))
    rules: list[Rule] = []
    for file in files:
        rules += read_rules(read_text(file), str(file))
    return rules


def _summary(rules: int, examples: int, failed: int) -> str:
    fail = "fails" if failed == 1 else "fail"
    return f"{counted(rules, 'rule')}, {counted(examples, 'example')}, {counted(failed, 'rule')} {fail}"


def _set_state(names: list[str], state: str, tenant: str | None, as_json: bool) -> None:
    changed = []
    for name in names:
        found = ask("GET", path_of("rules", name), {"tenant": tenant})
        headers = {"If-Match": f'"{found["version"]}"'}
        body = found["definition"] | {"state": state}
        changed.append(ask("PUT", path_of("rules", name), {"tenant": tenant}, body=body, headers=headers))
    print_answer(changed, as_json, _show_rules)
    for found in changed:
        _warn(found)


def _examples(rule: "Rule") -> int:
    return len(rule.examples.fires) + len(rule.examples.silent)


def _yaml(definition: dict[str, Any]) -> str:
    from udfs.rules.model import parse_rule
    from udfs.rules.yaml_form import write_rules

    return write_rules([parse_rule(definition)])


def _show_rules(rules: list[Any]) -> None:
    if not rules:
        typer.echo("no rules: `millrace rules import rules/` brings some to begin with")
        return
    columns = (*left("rule", "version", "state", "severity", "kind"), Column("about", wraps=True))
    rows = [
        (one["rule"], f"v{one['version']}", one["state"], one["severity"], one["kind"], one["about"])
        for one in rules
    ]
    print_table(columns, rows)


def _show_versions(versions: list[Any]) -> None:
    rows = [
        (f"v{one['version']}", time_text(one["made_at"]), one["state"], one["made_by"]) for one in versions
    ]
    print_table(left("version", "made UTC", "state", "by"), rows)


def _warn(found: Any) -> None:
    for warning in found["warnings"]:
        typer.secho(f"! {warning}", fg=typer.colors.YELLOW, err=True)
