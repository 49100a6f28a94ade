"""`millrace replay`, `millrace mapping` and `millrace fleet`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ingest import mapping_commands
from ingest.backfill.commands import OnConflict
from ingest.replay.way import find_way, open_sender, way_names

if TYPE_CHECKING:
    from ingest.replay.session import Plan, Summary

app = typer.Typer()
app.add_typer(mapping_commands.app, name="mapping")


def _known_way(name: str) -> str:
    if name not in way_names():
        raise typer.BadParameter(f"there is no way {name!r}. Use one of: {', '.join(way_names())}.")
    return name


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="CSV files, also .gz, or workbooks.")],
    mapping: Annotated[str, typer.Option(help="Mapping file, or the name of a shipped one.")],
    via: Annotated[
        str, typer.Option(callback=_known_way, help=f"How readings are sent: {', '.join(way_names())}.")
    ] = "mqtt",
    speed: Annotated[str, typer.Option(help="Times real time, or max: as fast as acknowledged.")] = "1",
    compress: Annotated[
        int | None, typer.Option(min=1, help="3600: an hour of event time becomes a second, ending now.")
    ] = None,
    shift_to_now: Annotated[bool, typer.Option(help="Shift event time so that it ends now.")] = False,
    start: Annotated[
        str | None, typer.Option(help="Shift event time to begin at this RFC 3339 time.")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Tenant; the stack's own by default.")] = None,
    device_prefix: Annotated[str, typer.Option(help="Put before every device id.")] = "",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first N rows in event-time order.")
    ] = None,
    window: Annotated[int | None, typer.Option(min=1, help="Most readings in flight.")] = None,
    on_conflict: OnConflict = None,
    give_up_after: Annotated[
        float, typer.Option(help="Seconds without any acknowledgement after which to stop.")
    ] = 120.0,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON on stdout.")] = False,
) -> None:
    """Replay recorded CSV files as device readings; exit 1 unless every one was acknowledged."""
    plan = _plan(files, mapping, limit, device_prefix, (compress, shift_to_now, start))
    if on_conflict:
        plan = plan._replace(mapping=plan.mapping.model_copy(update={"on_conflict": on_conflict}))
    summary = _run(plan, via, tenant, _speed(speed), window, give_up_after)
    _show(summary, as_json)
    if not summary.complete:
        raise typer.Exit(1)


def _plan(
    files: list[Path],
    mapping_name: str,
    limit: int | None,
    prefix: str,
    times: tuple[int | None, bool, str | None],
) -> "Plan":
    from ingest.replay.mapping import load_mapping
    from ingest.replay.session import Plan, inspect
    from ingest.replay.table import FileNotes
    from ingest.replay.timeline import transform
    from millrace.clock import now_ms

    compress, shift_to_now, start = times
    mapping = load_mapping(mapping_name)
    notes = [FileNotes(path) for path in files]
    found = inspect(tuple(files), mapping, limit, notes)
    time = transform(
        found, compress=compress, shift_to_now=shift_to_now, start_ms=_start_ms(start), now_ms=now_ms()
    )
    said = tuple(line for note in notes for line in note.lines())
    return Plan(tuple(files), mapping, limit, prefix, found, time, said)


def _run(
    plan: "Plan",
    via: str,
    tenant: str | None,
    speed: float | None,
    window: int | None,
    give_up_after_s: float,
) -> "Summary":
    from ingest.replay.display import progress_line
    from ingest.replay.session import replay as run
    from millrace.settings import settings

    with progress_line(plan.to_send) as report:
        sender = open_sender(via, settings(), tenant or settings().tenant, window)
        return run(
            plan,
            sender,
            name_device=find_way(via).names_device,
            speed=speed,
            give_up_after_s=give_up_after_s,
            report=report,
        )


def _show(summary: "Summary", as_json: bool) -> None:
    from ingest.replay.display import show_summary

    if as_json:
        typer.echo(json.dumps(summary._asdict() | {"complete": summary.complete}))
    else:
        show_summary(summary)


def _speed(text: str) -> float | None:
    from millrace.errors import MillraceError

    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise MillraceError(f"{text!r} is no speed", where="--speed", mend="Give a number above 0, or max.")
    return speed


def _start_ms(text: str | None) -> int | None:
    from millrace.clock import from_iso
    from millrace.errors import MillraceError

    if text is None:
        return None
    try:
        return from_iso(text)
    except ValueError:
        raise MillraceError(
            f"{text!r} is no RFC 3339 time", where="--start", mend="Write 2026-01-31T08:00:00Z."
        ) from None


@app.command()
def fleet(
    devices: Annotated[int, typer.Option(min=1, help="How many devices.")] = 40,
    rate: Annotated[float, typer.Option(min=0.001, help="Readings per second and device.")] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same devices.")] = 7,
    malformed_per_minute: Annotated[float, typer.Option(min=0.0, help="Broken messages, fleet-wide.")] = 4.0,
    tenant: Annotated[str | None, typer.Option(help="Tenant; the stack's own by default.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop after so long; for ever by default.")] = None,
) -> None:
    """Run a simulated fleet over MQTT and HTTP, with one announced fault, until stopped."""
    import logging

    from ingest.fleet.run import Fleet, run
    from millrace.settings import settings

    logging.basicConfig(level=settings().log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    run(Fleet(devices, rate, seed, malformed_per_minute, seconds), settings(), tenant or settings().tenant)
