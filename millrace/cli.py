"""The front door: merges the commands of every area and says errors plainly."""

import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

import typer
from typer.rich_utils import rich_format_error

from millrace.errors import MillraceError
from millrace.failures import explained, keep
from millrace.phrases import harmless
from millrace.settings import settings

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
    """Run the command line; an error becomes one message and exit code 1.

    130 after Ctrl-C, and nothing is said when whoever reads the output went away.
    """
    try:
        try:
            _run()
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Else Python says so once more when it closes what it cannot write to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def _require_text(arguments: Sequence[str]) -> None:
    """Raise MillraceError for an argument whose bytes are no UTF-8: no name and no path of ours is such."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise MillraceError(
                f"the argument '{argument.encode('utf-8', 'backslashreplace').decode()}' is no UTF-8 text",
                mend="Write it in UTF-8; `locale` shows what the terminal sends.",
            ) from None


def _run() -> None:
    try:
        _require_text(sys.argv[1:])
        code = build()(standalone_mode=False)
    except MillraceError as error:
        _say(error)
        sys.exit(1)
    except BrokenPipeError:
        raise
    except typer.TyperException as error:
        # The words of the library that checks values, which say nothing to a person.
        error.message = error.message.replace("Value error, ", "")
        rich_format_error(cast(Any, error))
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.exit("Aborted.")
    except Exception as error:  # noqa: BLE001 - a person gets one line, the log all of it
        log = settings().folder / "logs" / "cli.log"
        keep(error, log)
        _say(explained(error, log))
        sys.exit(1)
    if isinstance(code, int) and code:
        sys.exit(code)


def _say(error: MillraceError) -> None:
    if "--json" in sys.argv:
        report = {"error": {"what": error.what, "where": error.where, "mend": error.mend}}
        typer.echo(json.dumps(report), err=True)
        return
    typer.secho("✗ ", fg=typer.colors.RED, bold=True, nl=False, err=True)
    typer.echo(harmless(str(error)), err=True)


if __name__ == "__main__":
    main()
