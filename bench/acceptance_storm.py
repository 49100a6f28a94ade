"""`python -m bench.acceptance_storm`: a site falls silent, the stack restarts, the silent return.

1,000 MQTT devices at five sites. 100 of one site stop at once: one event of the site and 100 of devices,
each within `offline_after` + 5 s. `millrace down` and `up` while the others go on: none of them is
called offline. Needs a running stack and restarts it; its data stay.
"""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.storm_trial import Storm, StormFigures, run_storm_trial
from millrace.clock import now_ms
from millrace.errors import MillraceError
from millrace.settings import settings

app = typer.Typer()


@app.command()
def acceptance(
    devices: Annotated[int, typer.Option(min=10, help="Devices in all.")] = 1_000,
    sites: Annotated[int, typer.Option(min=2, help="Sites that share them.")] = 5,
    stop: Annotated[int, typer.Option(min=3, help="Devices of the first site that stop at once.")] = 100,
    offline_after: Annotated[int, typer.Option(min=5, help="Seconds of silence.")] = 20,
    interval: Annotated[int, typer.Option(min=1, help="Seconds between readings of a device.")] = 5,
    calm: Annotated[float, typer.Option(help="Seconds to watch after the restart.")] = 90.0,
    run: Annotated[str | None, typer.Option(help="Name of the run, before every device id.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Figures as JSON.")] = False,
) -> None:
    """Run the trial on the stack of the current settings; exit 1 on any difference."""
    storm = Storm(devices, sites, stop, offline_after, interval, calm)
    if stop > devices // sites:
        raise MillraceError(f"a site has {devices // sites} devices", where="--stop", mend="Stop fewer.")
    progress = Console(stderr=True)
    figures = run_storm_trial(settings(), storm, run or f"w{now_ms():x}", lambda line: progress.log(line))
    _show(figures, as_json)
    if figures.differences:
        raise typer.Exit(1)


def _show(figures: StormFigures, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(figures._asdict() | {"detection": figures.detection._asdict()}))
        return
    table = Table("acceptance storm", "", show_header=False, box=None)
    for name, value in _rows(figures):
        table.add_row(name, value)
    console = Console()
    console.print(table)
    for line in figures.differences:
        console.print(line, markup=False, soft_wrap=True)


def _rows(figures: StormFigures) -> list[tuple[str, str]]:
    found = figures.detection
    return [
        ("devices", f"{figures.devices:,}"),
        ("site events / offline events", f"{figures.site_events:,} / {figures.offline_events:,}"),
        ("last message to event, p50", f"{found.p50_ms / 1000:.1f} s"),
        ("p99 / worst", f"{found.p99_ms / 1000:.1f} s / {found.worst_ms / 1000:.1f} s"),
        ("all shown by the API after", f"{figures.shown_by_api_s:.1f} s"),
        ("down and up took", f"{figures.restart_s:.0f} s"),
        ("returned", f"{figures.returned:,}"),
        ("differences", "none" if not figures.differences else str(len(figures.differences))),
    ]


def main() -> None:
    """Run the command; a MillraceError ends as one sentence on stderr."""
    try:
        app()
    except MillraceError as error:
        typer.echo(str(error), err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
