"""`python -m bench.acceptance_alerts`: rules by the API, a recording through the stream, alerts compared.

Thresholds with duration and hysteresis, counts in a window and sequences, judged live on recorded readings
that come over MQTT up to 8 s of event time out of order, one in ten twice. Every alert in PostgreSQL, in
iot.alert_events and of a backtest over the same readings is compared with window queries of DuckDB: onset,
raised, cleared. It wants a stack without readings of now: each run begins behind where the last one ended.
"""

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from bench.alert_trial import Compared, Figures, Trial, run_alert_trial
from bench.conclusion import conclude, run_command
from millrace.clock import from_iso, now_ms
from millrace.settings import settings

app = typer.Typer()


class Recorded(StrEnum):
    """The recordings there are rules for."""

    SKAB = "skab"
    NAB = "nab"
    AIR_QUALITY = "air-quality"


class Victim(StrEnum):
    """What `--kill` kills in the middle."""

    TASKMANAGER = "taskmanager"


@app.command()
def acceptance(
    dataset: Annotated[Recorded, typer.Option(help="Which recording.")] = Recorded.SKAB,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N rows.")] = None,
    start: Annotated[str | None, typer.Option(help="RFC 3339 time at which event time begins.")] = None,
    speed: Annotated[float | None, typer.Option(min=1, help="Seconds of event time sent in one.")] = None,
    kill: Annotated[Victim | None, typer.Option(help="kill -9 this in the middle.")] = None,
    patience: Annotated[float, typer.Option(help="Seconds without progress before comparing.")] = 180.0,
    run: Annotated[str | None, typer.Option(help="Name of the run, before every device and rule.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Figures as JSON.")] = False,
) -> None:
    """Run the trial on the stack of the current settings; exit 1 on any difference."""
    trial = Trial(dataset.value, limit, from_iso(start) if start else None, speed, kill)
    progress = Console(stderr=True)
    figures = run_alert_trial(
        settings(), trial, run or f"a{now_ms():x}", patience, lambda line: progress.log(line)
    )
    as_data = figures._asdict() | {"cases": [case._asdict() for case in figures.cases]}
    conclude("acceptance alerts", as_data, _rows(figures), figures.differences, as_json)


def _rows(figures: Figures) -> list[tuple[str, str]]:
    slowest_ms = max(case.backtest_ms for case in figures.cases)
    told = ", ".join(f"{kind} {number:,}" for kind, number in sorted(figures.told.items()))
    return [
        ("messages sent", f"{figures.messages:,}"),
        ("of them duplicates / late", f"{figures.duplicates:,} / {figures.late:,}"),
        ("sending / settling", f"{figures.sending_s:.0f} s / {figures.settled_s:.0f} s"),
        ("slowest backtest", f"{slowest_ms / 1000:.1f} s"),
        ("changes told", told),
        ("alerts by", "DuckDB / PostgreSQL / iot.alert_events / backtest"),
        *((f"  {case.case}", _numbers(case)) for case in figures.cases),
    ]


def _numbers(case: Compared) -> str:
    return f"{case.expected:,} / {case.postgres:,} / {case.lake:,} / {case.backtest:,}"


if __name__ == "__main__":
    run_command(app)
