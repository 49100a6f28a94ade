"""`python -m bench.acceptance_upgrade`: other code for the sessions job, the same sessions.

While devices send, all jobs stop with savepoints and the sessions job is submitted from a copy of the
code whose device state has one more field. Open sessions go on across the cut, and every session equals
what was sent. Afterwards the code of the checkout runs again, from a savepoint of the other.
"""

from typing import Annotated

import typer
from rich.console import Console

from bench.conclusion import conclude, run_command
from bench.upgrade_trial import Upgrade, UpgradeFigures, run_upgrade_trial
from millrace.clock import now_ms
from millrace.settings import settings

app = typer.Typer()


@app.command()
def acceptance(
    devices: Annotated[int, typer.Option(min=1, help="Devices across the cut, and as many around it.")] = 20,
    offline_after: Annotated[int, typer.Option(min=5, help="Seconds of silence.")] = 15,
    before: Annotated[float, typer.Option(help="Seconds of readings before the cut.")] = 20.0,
    after: Annotated[float, typer.Option(help="Seconds of readings after it.")] = 20.0,
    run: Annotated[str | None, typer.Option(help="Name of the run, before every device id.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Figures as JSON.")] = False,
) -> None:
    """Run the trial on the stack of the current settings; exit 1 on any difference."""
    progress = Console(stderr=True)
    figures = run_upgrade_trial(
        settings(),
        Upgrade(devices, offline_after, before, after),
        run or f"u{now_ms():x}",
        lambda line: progress.log(line),
    )
    conclude("acceptance upgrade", figures._asdict(), _rows(figures), figures.differences, as_json)


def _rows(figures: UpgradeFigures) -> list[tuple[str, str]]:
    return [
        ("readings sent", f"{figures.readings:,}"),
        ("sessions compared / across the cut", f"{figures.sessions:,} / {figures.across_the_cut:,}"),
        ("readings in the new field", f"{figures.counted_by_new_code:,}"),
        ("from savepoint to new code", f"{figures.stopped_s:.0f} s"),
        ("savepoint", figures.savepoint),
    ]


if __name__ == "__main__":
    run_command(app)
