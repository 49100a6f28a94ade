"""`millrace openapi`: the contract as a file; and commands that ask the API: `data`, `devices`, `alerts`."""

from typing import Annotated

import typer

from api import (
    alert_commands,
    aws_commands,
    backtest_commands,
    channel_commands,
    data_commands,
    dead_letter_commands,
    device_commands,
    explanation_commands,
    rule_commands,
)
from catalog import registry_commands
from millrace.errors import MillraceError

app = typer.Typer()
# To a person what is configured of a device and what became of it are one thing.
registry_commands.devices.add_typer(device_commands.app)
app.add_typer(data_commands.app)
app.add_typer(dead_letter_commands.app, name="dead-letters")
rule_commands.app.add_typer(backtest_commands.app)
rule_commands.app.add_typer(aws_commands.app)
alert_commands.app.add_typer(explanation_commands.app)
app.add_typer(rule_commands.app, name="rules")
app.add_typer(alert_commands.app, name="alerts")
app.add_typer(channel_commands.app, name="channels")


@app.command()
def openapi(
    check: Annotated[
        bool, typer.Option("--check", help="Only compare; fail when the file is stale.")
    ] = False,
) -> None:
    """Write schemas/openapi.yaml from the code."""
    from api.app import create_app
    from api.openapi import FILE, to_yaml
    from millrace.settings import Settings

    made = to_yaml(create_app(Settings()))
    if not check:
        FILE.write_text(made)
    elif not FILE.exists() or FILE.read_text() != made:
        raise MillraceError(
            "schemas/openapi.yaml is not what the code says", where=str(FILE), mend="Run `millrace openapi`."
        )
    typer.echo(f"{FILE.name} {'is up to date' if check else 'written'}")
