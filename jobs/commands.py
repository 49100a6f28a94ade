"""Commands about the stream jobs: `millrace submit`."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from millrace.errors import MillraceError
from millrace.settings import Settings, settings

app = typer.Typer()
_PATIENCE_S = 180.0


@app.command()
def submit(
    name: Annotated[str, typer.Argument(help="Job, named after the topic it reads.")] = "telemetry",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Plan the job and change nothing.")] = False,
) -> None:
    """Put the job files as they are now to work: savepoint, plan, restore, go on where it was."""
    from jobs.runtime.submit import explain

    plan = explain(settings(), name)
    found: dict[str, Any] = {"job": name, "planned": True}
    if not dry_run:
        found |= _replace(settings(), name)
    if as_json:
        typer.echo(json.dumps(found))
    elif dry_run:
        typer.echo(plan)
    else:
        Console().print(
            f"[green]✓[/] job {name} runs as {found['id']}, from {found['from'] or 'the beginning'}"
        )


def _replace(settings: Settings, name: str) -> dict[str, Any]:
    """Stop the running job with a savepoint; the keeper submits it anew from there."""
    from jobs.runtime.cluster import Cluster
    from jobs.runtime.restore import newest_state

    cluster, folder = Cluster(settings), settings.folder / "flink"
    before = cluster.alive(name)
    if before:
        cluster.stop_with_savepoint(before["jid"], (folder / "savepoints" / name).as_uri())
    state = newest_state(folder, name)
    return {"id": _wait_running(cluster, name, before), "from": _shown(state)}


def _wait_running(cluster: Any, name: str, before: dict[str, Any] | None) -> str:
    from jobs.runtime.cluster import runs

    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        job = cluster.alive(name)
        if job and (before is None or job["jid"] != before["jid"]) and runs(job):
            return str(job["jid"])
        time.sleep(0.5)
    raise MillraceError(
        f"job {name} did not run within {_PATIENCE_S:.0f} s",
        mend="`millrace logs keeper` says why; its savepoint is kept.",
    )


def _shown(state: Path | None) -> str | None:
    return state.name if state else None
