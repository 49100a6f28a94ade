"""Commands about the lake: `millrace ledger`."""

import json
import re
from typing import Annotated, Any

import typer

from catalog import registry_commands
from millrace.clock import from_iso, now_ms
from millrace.errors import MillraceError
from millrace.settings import settings

app = typer.Typer()
app.add_typer(registry_commands.app)
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@app.command()
def ledger(
    device: Annotated[str | None, typer.Option(help="Only this device: NAME or TENANT/NAME.")] = None,
    since: Annotated[str | None, typer.Option(help="List minutes from then on: 15m, 2h, RFC 3339.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    settle: Annotated[float, typer.Option(help="Seconds to wait for the lake to reach the cut.")] = 30,
    whole: Annotated[bool, typer.Option("--whole", help="Read everything, trust no earlier look.")] = False,
) -> None:
    """Balance what was acknowledged against what is stored; exit 1 when it does not balance."""
    from catalog.ledger_view import show_device, show_ledger

    since_ms = None if since is None else moment_ms(since, now_ms())
    found = _balanced(device, since_ms, settle, whole)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        (show_device if device else show_ledger)(found)
    raise typer.Exit(0 if found["balanced"] else 1)


def moment_ms(text: str, now: int) -> int:
    """Return the moment a person means: `90s`, `15m`, `2h`, `3d` before now, or RFC 3339."""
    span = re.fullmatch(r"(\d+)([smhd])", text.strip())
    if span:
        return now - int(span[1]) * _UNITS_MS[span[2]]
    try:
        return from_iso(text)
    except ValueError:
        raise MillraceError(
            f"{text!r} is no time", where="--since", mend="Say 15m, 2h or RFC 3339."
        ) from None


def _balanced(device: str | None, since_ms: int | None, settle_s: float, whole: bool) -> dict[str, Any]:
    from catalog.ledger_device import device_ledger
    from catalog.ledger_source import taken
    from catalog.ledger_state import LedgerState, load_state, state_file

    config = settings()
    known = LedgerState() if whole else load_state(state_file(config.folder))
    with taken(config, settle_s, known) as look:
        if device is None:
            return look.ledger.as_json(since_ms)
        tenant, _, name = device.rpartition("/")
        return device_ledger(tenant or config.tenant, name, since_ms or 0, look).as_json()
