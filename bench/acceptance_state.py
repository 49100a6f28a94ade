"""`python -m bench.acceptance_state`: disorder in, exact windows, sessions and dead letters out.

Eight air-quality stations over MQTT: 10 % sent twice, 20 % out of order by up to 30 s, 5 % late by up
to 6 h, 1 % broken in twenty ways. Everything stored is compared with what the ledger of sent messages
says, row by row. As recorded, a late reading is alone in its minute; with `--compress 360` minutes hold
six readings of a station and a late one revises them, and the last 24 h are compared in Redis too.
It wants a stack whose event time has not come that far (no fleet, no later replay): else all is late.
"""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.conclusion import as_table, conclude, run_command
from bench.state_recording import Recording, Tally, Wanted, record, tally
from bench.state_trial import Figures, run_state_trial
from millrace.clock import from_iso, now_ms, to_iso
from millrace.settings import Settings, settings

app = typer.Typer()
# A pause lasts until the clock has followed the newest reading: 5 s, a second to mark, one to be reported.
_PAUSE_S = 8.0
_SENT_PER_S = 4_000.0


@app.command()
def acceptance(
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N rows.")] = None,
    stations: Annotated[int, typer.Option(min=1, max=8, help="How many of the eight stations.")] = 8,
    seed: Annotated[int, typer.Option(help="The same seed sends the same messages.")] = 7,
    compress: Annotated[int, typer.Option(min=1, help="360: an hour becomes 10 s, ending now.")] = 1,
    start: Annotated[str | None, typer.Option(help="RFC 3339 time at which event time begins.")] = None,
    pauses: Annotated[int | None, typer.Option(min=1, help="Fewer pauses: quicker, fewer late.")] = None,
    patience: Annotated[float, typer.Option(help="Seconds without progress before comparing.")] = 180.0,
    run: Annotated[str | None, typer.Option(help="Name of the run, before every device id.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be sent; needs no stack.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Figures as JSON.")] = False,
) -> None:
    """Send, wait and compare; exit 1 on any difference."""
    moment = now_ms()
    wanted = Wanted(limit, stations, seed, compress, pauses, from_iso(start) if start else None)
    recording = record(wanted, run or f"s{moment:x}", moment)
    if plan:
        _show_plan(recording, tally(recording), as_json)
        return
    progress = Console(stderr=True)
    figures = run_state_trial(
        settings(), recording, ledger_of(settings(), recording), patience, lambda line: progress.log(line)
    )
    conclude("acceptance state", figures._asdict(), _rows(figures), figures.differences, as_json)


def ledger_of(settings: Settings, recording: Recording) -> Path:
    """Return where the ledger of what was sent is kept."""
    return settings.folder / "acceptance" / f"{recording.prefix}sent.parquet"


def _show_plan(recording: Recording, found: Tally, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found._asdict()))
        return
    minutes = (found.messages / _SENT_PER_S + found.pauses * _PAUSE_S) / 60
    readings = found.messages - found.kinds.get("duplicate", 0)
    kinds = found.kinds | {f"  {name}": number for name, number in found.broken.items()}
    lines = [
        ("event time", f"{to_iso(recording.start_ms)} to {to_iso(recording.end_ms)}"),
        ("messages", f"{found.messages:,}"),
        ("pauses for the watermark", f"{found.pauses:,}"),
        ("sending takes about", f"{minutes:.0f} min"),
        *(
            (n, f"{number:,} ({100 * number / readings:.2f} % of the readings)")
            for n, number in kinds.items()
        ),
        *((f"profile of {device.device_id}", device.profile) for device in recording.devices()),
    ]
    Console().print(as_table("plan", lines))


def _rows(figures: Figures) -> list[tuple[str, str]]:
    return [
        ("messages sent / of them malformed", f"{figures.messages:,} / {figures.malformed:,}"),
        ("rows in iot.readings", f"{figures.readings:,}"),
        ("of them duplicates / late", f"{figures.duplicates:,} / {figures.late:,}"),
        ("1 min windows compared", f"{figures.windows:,}"),
        (
            "of them with late readings / revised",
            f"{figures.windows_with_late:,} / {figures.windows_revised:,}",
        ),
        ("10 s panes compared", f"{figures.panes:,}"),
        ("sessions compared", f"{figures.sessions:,}"),
        ("of them corrected", f"{figures.sessions_corrected:,}"),
        ("superseded by a merge", f"{figures.sessions_superseded:,}"),
        ("dead letters compared", f"{figures.dead_letters:,}"),
        ("sending / settling", f"{figures.sending_s:.0f} s / {figures.settled_s:.0f} s"),
    ]


if __name__ == "__main__":
    run_command(app)
