"""Commands about the stream jobs: `millrace submit`."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from millrace.errors import MillraceError
from millrace.output import print_lines
from millrace.settings import Settings, settings

app = typer.Typer()
_PATIENCE_S = 180.0


@app.command()
def submit(
    name: Annotated[str, typer.Argument(help="Job, named after the topic it reads.")] = "telemetry",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be added, changed and kept; change nothing.")
    ] = False,
    show_plan: Annotated[
        bool, typer.Option("--plan", help="With --dry-run: Flink's whole plan too.")
    ] = False,
) -> None:
    """Put the job files as they are now to work: savepoint, plan, restore, go on where it was."""
    from jobs.runtime.submit import explain

    change, plan = explain(settings(), name)
    found: dict[str, Any] = {"planned": True, **change._asdict(), "state": change.state._asdict()}
    if show_plan:
        found["plan"] = plan
    if not dry_run:
        found |= _replace(settings(), name)
    if as_json:
        typer.echo(json.dumps(found))
    elif dry_run:
        print_lines((*change.lines(), *(plan.splitlines() if show_plan else ())))
    else:
        Console().print(
            f"[green]✓[/] job {name} runs as {found['id']}, from {found['from'] or 'the beginning'}"
        )


def _replace(settings: Settings, name: str) -> dict[str, Any]:
    """Stop the running job with a savepoint; the keeper submits it anew from there."""
    from jobs.runtime.cluster import Cluster
    from jobs.runtime.restore import newest_state

    cluster, folder = Cluster(settings), settings.folder / "flink"
    with _answering(settings):
        before = cluster.alive(name)
        if before:
            cluster.stop_with_savepoint(before["jid"], (folder / "savepoints" / name).as_uri())
        state = newest_state(folder, name)
        return {"id": _wait_running(cluster, name, before), "from": _shown(state)}


@contextmanager
def _answering(settings: Settings) -> Iterator[None]:
    """Say that Flink does not answer, or what it answered, in a sentence."""
    import httpx

    try:
        yield
    except httpx.HTTPStatusError as error:
        what = f"Flink answered {error.response.status_code} to {error.request.url.path}"
        raise MillraceError(what, mend="`millrace logs jobmanager` says why.") from None
    except httpx.HTTPError as error:
        raise MillraceError(
            f"Flink does not answer: {error}",
            where=settings.address("flink_rest"),
            mend="`millrace status` says what runs, `millrace up` starts it.",
        ) from None


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
