"""`python -m bench.acceptance_alert_storm`: an alert storm, and kill -9 of the TaskManager in it.

1,000 devices cross a limit up and down for a minute; each alert is told to a webhook of a real HTTP receiver
of this machine. Afterwards topic `alerts`, the API and the receiver are compared with what the log of
readings demands: no alert lost, none told twice for the same reason. Needs a running stack; a notifier of the
trial's own takes the place of the stack's meanwhile, and the rule and the channel are deleted at the end.
"""

from typing import Annotated

import typer
from rich.console import Console

from bench.alert_storm_trial import AlertStorm, AlertStormFigures, run_alert_storm_trial
from bench.conclusion import conclude, run_command
from millrace.clock import now_ms
from millrace.settings import settings

app = typer.Typer()


@app.command()
def acceptance(
    devices: Annotated[int, typer.Option(min=1, help="Devices that cross the limit.")] = 1_000,
    rate: Annotated[int, typer.Option(min=1, help="Readings/s of all of them.")] = 2_000,
    seconds: Annotated[float, typer.Option(min=10, help="How long they are sent.")] = 60.0,
    period: Annotated[
        float, typer.Option(min=1, help="Seconds from one alert of a device to the next.")
    ] = 20.0,
    patience: Annotated[float, typer.Option(help="Seconds without progress before comparing.")] = 120.0,
    run: Annotated[str | None, typer.Option(help="Name of the run, before every device and rule.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Figures as JSON.")] = False,
) -> None:
    """Run the trial on the stack of the current settings; exit 1 on any difference."""
    storm = AlertStorm(devices, rate, seconds, period, patience)
    progress = Console(stderr=True)
    figures = run_alert_storm_trial(
        settings(), storm, run or f"k{now_ms():x}", lambda line: progress.log(line)
    )
    told = figures._asdict() | {"told": figures.told._asdict()}
    conclude("acceptance alert storm", told, _rows(figures), figures.differences, as_json)


def _rows(figures: AlertStormFigures) -> list[tuple[str, str]]:
    return [
        ("readings / per second", f"{figures.readings:,} / {figures.readings_per_s:,}"),
        ("restarts of the job", f"{figures.restarts:,}"),
        ("alerts", f"{figures.alerts:,}"),
        ("records that repeated another", f"{figures.repeated:,}"),
        ("retroactive alerts besides, of late readings", f"{figures.retroactive:,}"),
        ("reading to alert, p50 / p99 / worst", " / ".join(f"{ms:,} ms" for ms in figures.told)),
        ("told by webhook: raised / cleared", f"{figures.notices_raised:,} / {figures.notices_cleared:,}"),
        ("settled after the last reading", f"{figures.settled_s:.1f} s"),
    ]


if __name__ == "__main__":
    run_command(app)
