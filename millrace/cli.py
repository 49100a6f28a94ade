"""The front door: merges the commands of every area and says errors plainly."""

import json
import sys
from importlib import import_module
from importlib.util import find_spec

import typer

from millrace.errors import MillraceError

_AREAS = (
    "millrace.stack",
    "millrace.doctor",
    "millrace.bucket",
    "ingest",
    "ingest.backfill",
    "jobs",
    "jobs.corrections",
    "jobs.recompute",
    "catalog",
    "catalog.forgetting",
    "catalog.maintenance",
    "catalog.quality",
    "catalog.tiering",
    "api",
)

_ABOUT = "Millrace: device telemetry into a lakehouse. Start with `millrace up --fleet`."


def build() -> typer.Typer:
    """Return the command line with the commands of every area that is present."""
    root = typer.Typer(
        name="millrace",
        help=_ABOUT,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    # A callback keeps sub-commands even while there is only one.
    root.callback()(lambda: None)
    for area in _AREAS:
        name = f"{area}.commands"
        if find_spec(area) is not None and find_spec(name) is not None:
            root.add_typer(import_module(name).app)
    return root


def main() -> None:
    """Run the command line; a MillraceError becomes one message and exit code 1."""
    try:
        build()()
    except MillraceError as error:
        _say(error)
        sys.exit(1)


def _say(error: MillraceError) -> None:
    if "--json" in sys.argv:
        report = {"error": {"what": error.what, "where": error.where, "mend": error.mend}}
        typer.echo(json.dumps(report), err=True)
        return
    typer.secho("✗ ", fg=typer.colors.RED, bold=True, nl=False, err=True)
    typer.echo(str(error), err=True)


if __name__ == "__main__":
    main()
