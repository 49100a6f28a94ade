"""`millrace channels`: where alerts are told; all but `allow` and `forbid` ask the API of this stack."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from api.asking import ask, path_of, print_answer, time_text, user_name
from millrace.clock import now_ms
from millrace.documents import read_yaml
from millrace.errors import MillraceError
from millrace.output import Column, left, print_lines, print_table, right
from millrace.settings import settings

app = typer.Typer(no_args_is_help=True, help="Where alerts are told: webhooks, email, Slack, MQTT.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Tenant = Annotated[str | None, typer.Option(help="Default: the tenant this stack is set to.")]
Name = Annotated[str, typer.Argument(help="Name of the channel.")]
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_WRITTEN: Final = (
    "channel",
    "kind",
    "about",
    "enabled",
    "settings",
    "group_wait_s",
    "group_wait_critical_s",
)


@app.command("list")
def list_channels(tenant: Tenant = None, as_json: Json = False) -> None:
    """List the channels and how they fare."""
    print_answer(ask("GET", "/channels", {"tenant": tenant}), as_json, _show_channels)


@app.command()
def show(name: Name, tenant: Tenant = None, as_json: Json = False) -> None:
    """Show one channel as YAML, in the form `put` reads; its secret is never shown."""
    print_answer(ask("GET", path_of("channels", name), {"tenant": tenant}), as_json, _show_channel)


@app.command()
def kinds(as_json: Json = False) -> None:
    """List the kinds of channels and the fields of their settings and secrets."""
    print_answer(ask("GET", "/channel-kinds"), as_json, _show_kinds)


@app.command()
def put(
    file: Annotated[
        Path,
        typer.Argument(help="YAML of a channel or a list: channel, kind, settings, secret, group_wait_s ..."),
    ],
    tenant: Tenant = None,
    create: Annotated[
        bool, typer.Option("--create", help="Make the tenant, if it is not there yet.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Add or change channels as a file says; `${NAME}` in a secret is taken from the environment."""
    entries = _read(file)
    found = [
        ask("PUT", path_of("channels", name), {"tenant": tenant, "create": create or None}, body=entry)
        for name, entry in entries.items()
    ]
    print_answer({"channels": found}, as_json, _show_channels)


@app.command()
def test(name: Name, tenant: Tenant = None, as_json: Json = False) -> None:
    """Send a test message through a channel now; exit 1 unless it was sent."""
    found = ask("POST", path_of("channels", name, "test"), {"tenant": tenant})
    print_answer(found, as_json, _show_test)
    if found["result"] != "sent":
        raise typer.Exit(1)


@app.command()
def delete(name: Name, tenant: Tenant = None) -> None:
    """Remove a channel that no rule names; what waits for it is given up."""
    ask("DELETE", path_of("channels", name), {"tenant": tenant})
    print_lines([f"channel {name} is deleted"])


@app.command()
def allow(name: Name, tenant: Tenant = None) -> None:
    """Let a channel, also one still to be put, reach private addresses and plain http; it holds at once."""
    _set_private(name, tenant, allowed=True)


@app.command()
def forbid(name: Name, tenant: Tenant = None) -> None:
    """Take back what `allow` gave; it holds at once."""
    _set_private(name, tenant, allowed=False)


def _set_private(name: str, tenant: str | None, *, allowed: bool) -> None:
    # Not by the API: a tenant must not be able to allow itself more.
    from catalog.channel_store import ChannelStore
    from catalog.migrations import connect

    if not re.fullmatch(r"[a-z0-9-]{1,64}", name):
        raise MillraceError(
            f"{name!r} is no name of a channel", where="channel", mend="Use a-z, 0-9 and -, 64 at most."
        )
    at = datetime.fromtimestamp(now_ms() / 1000, UTC)
    with connect(settings()) as connection:
        store = ChannelStore(connection, tenant or settings().tenant)
        changed = store.set_private(name, allowed, user_name(), at)
    now = "may reach private addresses and plain http" if allowed else "reaches public addresses only"
    print_lines([f"channel {name} {now}{'' if changed else ', as before'}"])


def _read(file: Path) -> dict[str, Any]:
    """Return the channels of a file by name; MillraceError says what is wrong with it."""
    found = read_yaml(file)
    entries = found if isinstance(found, list) else [found]
    if not entries or not all(
        isinstance(one, dict) and isinstance(one.get("channel"), str) for one in entries
    ):
        raise MillraceError(
            "the file holds no channel", where=str(file), mend="Give channel, kind and settings, or a list."
        )
    return {one["channel"]: _entry(one) for one in entries}


def _is_named(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("channel"), str)


def _entry(one: dict[str, Any]) -> dict[str, Any]:
    secret = one.get("secret")
    filled = {name: _filled(value) for name, value in secret.items()} if isinstance(secret, dict) else secret
    return {name: value for name, value in one.items() if name != "channel"} | (
        {} if secret is None else {"secret": filled}
    )


def _filled(value: Any) -> Any:
    return _VARIABLE.sub(lambda hit: _variable(hit[1]), value) if isinstance(value, str) else value


def _variable(name: str) -> str:
    if name not in os.environ:
        raise MillraceError(f"the variable {name} is not set", where="secret", mend="Set it, then put again.")
    return os.environ[name]


def _show_channels(found: Any) -> None:
    channels = found["channels"]
    if not channels:
        print_lines(["no channels: `millrace channels put FILE` adds one, `channels kinds` lists the kinds"])
        return
    columns = (
        *left("channel", "kind", "enabled"),
        *right("group_wait_s", "critical", "waiting", "failing", "dead"),
        *left("last sent UTC"),
        Column("about", wraps=True),
    )
    print_table(columns, map(_channel_row, channels))


def _channel_row(one: Any) -> tuple[str, ...]:
    health = one["health"]
    return (
        one["channel"],
        one["kind"],
        "yes" if one["enabled"] else "no",
        f"{one['group_wait_s']}",
        f"{one['group_wait_critical_s']}",
        *(f"{health[name]:,}" for name in ("waiting", "failing", "dead")),
        time_text(health["last_sent_at"]),
        one["about"],
    )


def _show_channel(found: Any) -> None:
    import yaml

    secret = "kept" if found["has_secret"] else "none"
    private = "may reach private addresses" if found["private_allowed"] else "public addresses only"
    print_lines(
        [f"# {time_text(found['updated_at'])} UTC by {found['updated_by']}; secret: {secret}; {private}"]
    )
    written = {name: found[name] for name in _WRITTEN}
    print_lines(yaml.safe_dump(written, sort_keys=False, allow_unicode=True, width=10_000).splitlines())


def _show_kinds(found: Any) -> None:
    rows = [
        (kind["kind"], kind["about"], _fields(kind["settings"]), _fields(kind["secret"]))
        for kind in found["kinds"]
    ]
    columns = [Column("kind"), *(Column(name, wraps=True) for name in ("about", "settings", "secret"))]
    print_table(columns, rows)


def _fields(schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    fields = schema.get("properties", {})
    return ", ".join(name if name in required else f"{name} (optional)" for name in fields) or "none"


def _show_test(found: Any) -> None:
    detail = f": {found['detail']}" if found["detail"] else ""
    print_lines([f"{found['result']}{detail} ({found['duration_ms']:,} ms)"])
