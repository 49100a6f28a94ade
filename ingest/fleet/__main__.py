"""`python -m ingest.fleet`: the same as `millrace fleet`, for a supervisor."""

import sys

import typer

from ingest.commands import fleet
from millrace.errors import MillraceError


def main() -> None:
    """Run the fleet; a MillraceError ends as one sentence on stderr."""
    try:
        typer.run(fleet)
    except MillraceError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
