"""`millrace doctor`."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from millrace.doctor.configured import Setting
    from millrace.doctor.finding import Finding

app = typer.Typer()


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Check the machine and list the settings; exit 1 when something is wrong."""
    import json

    findings, listed = _examine()
    if as_json:
        answer = {"findings": [f.model_dump() for f in findings], "settings": [s._asdict() for s in listed]}
        typer.echo(json.dumps(answer))
    else:
        _show_findings(findings)
        _show_settings(listed)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _examine() -> "tuple[list[Finding], list[Setting]]":
    from millrace.doctor import configured, installed, lake, machine
    from millrace.settings import settings

    readable = configured.look()
    if not readable.ok:
        return [readable], []
    current = settings()
    findings = [readable, *machine.look(current), *installed.look(current), *lake.look(current)]
    return findings, configured.listing(current)


def _show_findings(findings: "list[Finding]") -> None:
    from rich.text import Text

    from millrace.output import Column, left, print_table

    good, wrong = Text("✓", "green"), Text("✗", "bold red")
    rows = [
        (good, finding.name, finding.found)
        if finding.ok
        else (wrong, finding.name, f"{finding.found}. {finding.mend}")
        for finding in findings
    ]
    print_table((*left("", "check"), Column("found", wraps=True)), rows)


def _show_settings(listed: "list[Setting]") -> None:
    from rich.text import Text

    from millrace.output import left, print_lines, print_table

    if not listed:
        return
    rows = [
        (one.variable, one.value, one.default)
        if one.value != one.default
        else (Text(one.variable, "dim"), Text(one.value, "dim"), "")
        for one in listed
    ]
    print_lines([""])
    print_table(left("setting", "value", "default"), rows)
