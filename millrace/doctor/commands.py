"""`millrace doctor`."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from millrace.doctor.configured import Setting
    from millrace.doctor.finding import Finding

app = typer.Typer()


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Check the machine and list the settings; exit 1 when something is wrong."""
    import json

    from rich.console import Console

    findings, listed = _examine()
    if as_json:
        answer = {"findings": [f.model_dump() for f in findings], "settings": [s._asdict() for s in listed]}
        typer.echo(json.dumps(answer))
    else:
        Console().print(_findings_table(findings), "", _settings_table(listed))
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


def _findings_table(findings: "list[Finding]") -> "Table":
    from rich.table import Table

    view = Table.grid(padding=(0, 2, 0, 0))
    view.add_column(width=1)
    view.add_column(min_width=16, no_wrap=True)
    view.add_column()
    for finding in findings:
        mark = "[green]✓[/]" if finding.ok else "[bold red]✗[/]"
        view.add_row(mark, finding.name, finding.found if finding.ok else f"{finding.found}. {finding.mend}")
    return view


def _settings_table(listed: "list[Setting]") -> "Table":
    from rich.table import Table

    view = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("setting", "value", "default"):
        view.add_column(heading, overflow="fold")
    for setting in listed:
        default = "" if setting.value == setting.default else setting.default
        view.add_row(setting.variable, setting.value, default, style="" if default else "dim")
    return view
