"""`millrace up`, `down`, `status` and `logs`."""

from typing import Annotated

import typer

from millrace.phrases import counted

app = typer.Typer()

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.command()
def up(
    only: Annotated[list[str] | None, typer.Argument(help="Services to start with all they need.")] = None,
    fleet: Annotated[bool, typer.Option("--fleet", help="Also start the simulated devices.")] = False,
) -> None:
    """Start the stack; what runs already is left alone."""
    from rich.console import Console

    from millrace.settings import settings
    from millrace.stack.discovery import services
    from millrace.stack.display import Display
    from millrace.stack.start import Ascent, closure, of_profiles

    profiles = ("core", "fleet") if fleet else ("core",)
    chosen = closure(services(), only) if only else of_profiles(services(), *profiles)
    with Display(Console(stderr=True), chosen.values()) as display:
        Ascent(settings(), chosen, display).run()


@app.command()
def down(
    wipe: Annotated[bool, typer.Option("--wipe", help="Also delete the stack's data.")] = False,
) -> None:
    """Stop the stack; its data stays unless wiped."""
    from rich.console import Console

    from millrace.settings import settings
    from millrace.stack import stop
    from millrace.stack.discovery import services

    console = Console(stderr=True)
    with console.status("stopping") as spinner:
        ended = stop.stop(settings(), services(), lambda name, word: spinner.update(f"{word} {name}"))
        if wipe:
            stop.wipe(settings())
    data = "its data is deleted" if wipe else f"its data stays in {settings().folder}"
    done = f"{counted(ended, 'process', 'processes')} stopped" if ended else "nothing was running"
    console.print(f"[green]✓[/] stack {settings().stack}: {done}, {data}", highlight=False, soft_wrap=True)


@app.command()
def status(as_json: Json = False) -> None:
    """Show every service of the stack."""
    from millrace.settings import settings
    from millrace.stack.discovery import services
    from millrace.stack.report import show_statuses, statuses

    rows = statuses(settings(), services().values())
    if as_json:
        import json

        typer.echo(json.dumps([row.model_dump() for row in rows]))
    else:
        show_statuses(settings().stack, rows)


@app.command()
def logs(
    service: Annotated[
        str | None, typer.Argument(help="Which service; without one, those there are.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new lines.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines to begin with.")] = 40,
) -> None:
    """Show a service's log; without a service list those that have one."""
    import subprocess

    from millrace.errors import MillraceError
    from millrace.phrases import known_names
    from millrace.settings import settings
    from millrace.stack.places import log_file
    from millrace.stack.report import service_logs, show_logs

    known = service_logs(settings())
    if service is None:
        show_logs(known)
        return
    path = log_file(settings(), service)
    if not path.exists():
        raise MillraceError(f"{service} has no log", where=str(path), mend=known_names(service, known))
    # -F goes on when the file is rotated.
    command = ["tail", "-n", str(lines), *(["-F"] if follow else []), str(path)]
    try:
        subprocess.run(command, check=False)
    except KeyboardInterrupt:
        raise typer.Exit from None


@app.command()
def tour(
    seconds: Annotated[float, typer.Option(min=0, help="How long to show live figures.")] = 15.0,
) -> None:
    """Show live figures, every address and login, and how to send your own reading."""
    from rich.console import Console

    from millrace.settings import settings
    from millrace.stack.tour import show

    show(Console(), settings(), seconds)
