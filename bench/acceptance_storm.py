"""`python -m bench.acceptance_storm`: a site falls silent, the stack restarts, the silent return.

1,000 MQTT devices at five sites. 100 of one site stop at once: one event of the site and 100 of devices,
each within `offline_after` + 5 s. `millrace down` and `up` while the others go on: none of them is
called offline. Needs a running stack and restarts it; its data stay.
"""

from typing import Annotated

import typer
from rich.console import Console

from bench.conclusion import conclude, run_command
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
    conclude(
        "acceptance storm",
        figures._asdict() | {"detection": figures.detection._asdict()},
        _rows(figures),
        figures.differences,
        as_json,
    )


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
    ]


if __name__ == "__main__":
    run_command(app)
