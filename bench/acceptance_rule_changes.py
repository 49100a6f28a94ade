"""`python -m bench.acceptance_rule_changes`: rules change while readings come, and every alert is right.

200 devices with a rule each, 5,000 readings/s straight into topic `telemetry` and from some devices over
MQTT, five edits a second through the API. What must be told follows from the log: the version in force for a
reading is the newest that the log took 3 s before it. Compared alert by alert: none by another version, none
lost, none doubled, no restart of the job. Needs a running stack; its rules are deleted at the end.
"""

from typing import Annotated

import typer
from rich.console import Console

from bench.conclusion import conclude, run_command
from bench.rule_change_trial import RuleChangeFigures, RuleChanges, run_rule_change_trial
from millrace.clock import now_ms
from millrace.settings import settings

app = typer.Typer()


@app.command()
def acceptance(
    devices: Annotated[int, typer.Option(min=1, help="Devices, and rules.")] = 200,
    rate: Annotated[int, typer.Option(min=1, help="Readings/s.")] = 5_000,
    seconds: Annotated[float, typer.Option(min=5, help="How long they are sent.")] = 60.0,
    edits: Annotated[float, typer.Option(min=0.1, help="Edits of rules per second.")] = 5.0,
    period: Annotated[
        float, typer.Option(min=1, help="Seconds from one crossing of a limit to the next.")
    ] = 4.0,
    over_mqtt: Annotated[int, typer.Option(min=0, help="Devices that send over MQTT.")] = 10,
    patience: Annotated[float, typer.Option(help="Seconds without progress before comparing.")] = 60.0,
    run: Annotated[str | None, typer.Option(help="Name of the run, before every device and rule.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Figures as JSON.")] = False,
) -> None:
    """Run the trial on the stack of the current settings; exit 1 on any difference."""
    wanted = RuleChanges(devices, rate, seconds, edits, period, over_mqtt, patience)
    progress = Console(stderr=True)
    figures = run_rule_change_trial(
        settings(), wanted, run or f"c{now_ms():x}", lambda line: progress.log(line)
    )
    told = figures._asdict() | {"in_force": figures.in_force._asdict(), "told": figures.told._asdict()}
    conclude("acceptance rule changes", told, _rows(figures), figures.differences, as_json)


def _rows(figures: RuleChangeFigures) -> list[tuple[str, str]]:
    return [
        ("readings / per second", f"{figures.readings:,} / {figures.readings_per_s:,}"),
        ("of them out of order", f"{figures.out_of_order:,}"),
        ("edits / per second", f"{figures.edits:,} / {figures.edits_per_s}"),
        ("change to in force, p50 / p99 / worst", " / ".join(f"{ms:,} ms" for ms in figures.in_force)),
        ("alerts / by edited versions", f"{figures.alerts:,} / {figures.by_edited_versions:,}"),
        ("records that repeated another", f"{figures.repeated:,}"),
        ("retroactive alerts besides, of late readings", f"{figures.retroactive:,}"),
        ("reading to alert, p50 / p99 / worst", " / ".join(f"{ms:,} ms" for ms in figures.told)),
        ("settled after the last reading", f"{figures.settled_s:.1f} s"),
    ]


if __name__ == "__main__":
    run_command(app)
