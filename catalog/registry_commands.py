"""`millrace devices` and `millrace profiles`: the registry from the command line."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from millrace.clock import from_iso, now_ms
from millrace.errors import MillraceError
from millrace.output import Column, print_table
from millrace.phrases import counted
from millrace.settings import settings

if TYPE_CHECKING:
    from catalog.registry_entries import MaintenanceEntry
    from catalog.registry_store import Registry

app = typer.Typer()
devices = typer.Typer(help="Devices, sites and maintenance windows of the registry.", no_args_is_help=True)
profiles = typer.Typer(help="Device profiles: when a device counts as offline.", no_args_is_help=True)
app.add_typer(devices, name="devices")
app.add_typer(profiles, name="profiles")

Create = Annotated[
    bool, typer.Option("--create", help="Make a tenant, site or device that is named and not there yet.")
]
Tenant = Annotated[str | None, typer.Option(help="Tenant; the stack's own by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_ONLY_IN_JSON = {"tenant", "updated_at", "metrics", "retention_class"}
_NOUNS = {
    "profiles": "profile",
    "sites": "site",
    "devices": "device",
    "maintenance": "maintenance window",
}
_PROSE = {"about", "tags"}


@contextmanager
def _registry(tenant: str | None) -> Iterator["Registry"]:
    from catalog.migrations import connect
    from catalog.registry_store import Registry

    with connect(settings()) as connection:
        yield Registry(connection, tenant or settings().tenant)


def _show(rows: list[dict[str, Any]], as_json: bool, noun: str) -> None:
    if as_json:
        typer.echo(json.dumps(rows, default=_text))
        return
    shown = [name for name in (rows[0] if rows else ()) if name not in _ONLY_IN_JSON]
    columns = [Column(name, wraps=name in _PROSE) for name in shown]
    cells = ([_text(row[name]) for name in shown] for row in rows)
    print_table(columns, cells, title=counted(len(rows), noun))


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, list):
        return " ".join(value)
    return "" if value is None else str(value)


@devices.command("import")
def import_devices(
    file: Annotated[
        Path, typer.Argument(help="YAML: profiles, sites, devices, maintenance, or only devices.")
    ],
    tenant: Tenant = None,
    create: Create = False,
    as_json: AsJson = False,
) -> None:
    """Bring the registry to what a file says, all or nothing; what it does not name stays."""
    from catalog.registry_file import read_file
    from catalog.registry_names import require_file_names, writer
    from catalog.registry_store import import_file

    read = read_file(file)
    with _registry(tenant) as registry:
        require_file_names(registry, read, writer(settings(), create))
        changed = import_file(registry.connection, read, registry.tenant)._asdict()
    typer.echo(
        json.dumps({"changed": changed})
        if as_json
        else "changed: " + ", ".join(counted(changed[what], noun) for what, noun in _NOUNS.items())
    )


@devices.command("export")
def export_devices(
    file: Annotated[Path | None, typer.Argument(help="Where to; standard output by default.")] = None,
    tenant: Tenant = None,
) -> None:
    """Write the registry as YAML, in the form `import` reads."""
    from catalog.registry_file import to_yaml
    from catalog.registry_store import export_file

    with _registry(tenant) as registry:
        text = to_yaml(export_file(registry, now_ms()))
    if file is None:
        typer.echo(text, nl=False)
    else:
        file.write_text(text)


@devices.command("sites")
def list_sites(tenant: Tenant = None, as_json: AsJson = False) -> None:
    """List the sites and how many devices each has."""
    with _registry(tenant) as registry:
        _show(registry.sites(), as_json, "site")


@devices.command()
def timezone(
    zone: Annotated[str | None, typer.Argument(help="Such as Europe/Berlin; without it, shows it.")] = None,
    device: Annotated[str | None, typer.Option(help="Only of this device.")] = None,
    site: Annotated[str | None, typer.Option(help="Of the devices of this site that have none.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take it away.")] = False,
    tenant: Tenant = None,
) -> None:
    """Set in which zone a device, a site or the whole tenant writes local times without an offset."""
    from millrace.event_times import known_zone

    if (device and site) or (zone and clear):
        raise MillraceError("that is two things at once", mend="Give --device or --site, a zone or --clear.")
    try:
        name = known_zone(zone).key if zone else None
    except ValueError as error:
        raise MillraceError(str(error), where="ZONE") from None
    with _registry(tenant) as registry:
        if zone or clear:
            _set_timezone(registry, device, site, name)
        typer.echo(_timezone(registry, device, site) or "none")


def _set_timezone(registry: "Registry", device: str | None, site: str | None, name: str | None) -> None:
    from catalog.registry_entries import TenantSettings
    from catalog.registry_names import require_tenant, writer

    if not device and not site:
        require_tenant(registry.connection, registry.tenant, writer(settings(), False))
        registry.put_tenant(TenantSettings(timezone=name))
    elif not registry.set_timezone("device" if device else "site", device or site or "", name):
        raise _no_such(device, site)


def _timezone(registry: "Registry", device: str | None, site: str | None) -> str | None:
    if not device and not site:
        return registry.tenant_settings().timezone
    row = registry.get("device" if device else "site", device or site or "")
    if row is None:
        raise _no_such(device, site)
    return None if row["timezone"] is None else str(row["timezone"])


def _no_such(device: str | None, site: str | None) -> MillraceError:
    kind, name = ("device", device) if device else ("site", site)
    mend = "`millrace devices list` and `millrace devices sites` show them."
    return MillraceError(f"the registry has no {kind} {name!r}", where=f"--{kind}", mend=mend)


@devices.command()
def maintenance(
    device: Annotated[str | None, typer.Option(help="The device that may be silent.")] = None,
    site: Annotated[str | None, typer.Option(help="The site whose devices may be silent.")] = None,
    duration: Annotated[str, typer.Option("--for", help="How long: 90s, 15m, 2h, 3d.")] = "1h",
    start: Annotated[str | None, typer.Option("--from", help="RFC 3339; now by default.")] = None,
    about: Annotated[str, typer.Option(help="Why.")] = "",
    end: Annotated[int | None, typer.Option(help="End the window of this number instead.")] = None,
    tenant: Tenant = None,
    create: Create = False,
    as_json: AsJson = False,
) -> None:
    """Begin or plan a maintenance window, or end one; without --device, --site or --end list them."""
    with _registry(tenant) as registry:
        if end is not None and not registry.delete_maintenance(end):
            raise MillraceError(f"there is no maintenance window {end}", where="--end")
        if device or site:
            _require_known(registry, device, create)
            registry.add_maintenance(_window(device, site, start, duration, about))
        _show(registry.maintenance(now_ms()), as_json, "maintenance window")


def _require_known(registry: "Registry", device: str | None, create: bool) -> None:
    from catalog.registry_names import require_device, require_tenant, writer

    who = writer(settings(), create)
    require_tenant(registry.connection, registry.tenant, who)
    if device is not None:
        require_device(registry, device, who)


def _window(
    device: str | None, site: str | None, start: str | None, duration: str, about: str
) -> "MaintenanceEntry":
    from pydantic import ValidationError

    from catalog.registry_entries import MaintenanceEntry, moment, parse_duration_s
    from millrace.known_keys import in_words

    try:
        start_ms = now_ms() if start is None else from_iso(start)
        end_ms = start_ms + 1_000 * parse_duration_s(duration)
        starts_at, ends_at = moment(start_ms), moment(end_ms)
    except (ValueError, OverflowError) as error:
        raise MillraceError(
            f"that is no maintenance window: {error}",
            mend="Give --for as 90s, 15m, 2h or 3d, --start as 2026-01-31T12:00:00Z, up to the year 9999.",
        ) from None
    try:
        return MaintenanceEntry(
            device_id=device, site=site, starts_at=starts_at, ends_at=ends_at, about=about
        )
    except ValidationError as error:
        schema = MaintenanceEntry.model_json_schema()
        wrong = "; ".join(one.what for one in in_words(error.errors(), schema))
        raise MillraceError(
            f"that is no maintenance window: {wrong}", mend="Give --device or --site."
        ) from None


@profiles.command("list")
def list_profiles(tenant: Tenant = None, as_json: AsJson = False) -> None:
    """List the profiles; a device without one has the built-in default (60 s, every 10 s)."""
    with _registry(tenant) as registry:
        _show(registry.profiles(), as_json, "profile")


@profiles.command("set")
def set_profile(
    name: Annotated[str, typer.Argument(help="Name of the profile.")],
    offline_after_s: Annotated[int, typer.Option(help="Silence after which a device is offline.")],
    expected_interval_s: Annotated[int, typer.Option(help="How often a device speaks.")],
    about: Annotated[str, typer.Option(help="What it is for.")] = "",
    warm_days: Annotated[int | None, typer.Option(help="Older readings move to the archive.")] = None,
    cold_days: Annotated[int | None, typer.Option(help="Older readings are deleted.")] = None,
) -> None:
    """Make or change a profile; its devices are judged by it within seconds."""
    from pydantic import ValidationError

    from catalog.registry_entries import ProfileEntry
    from millrace.known_keys import in_words

    given = {
        "profile": name,
        "offline_after_s": offline_after_s,
        "expected_interval_s": expected_interval_s,
        "about": about,
    }
    days = {"warm_days": warm_days, "cold_days": cold_days}
    with _registry(None) as registry:
        before = registry.get("profile", name)
        kept = {field: before[field] for field in ("metrics", "retention_class", *days)} if before else {}
        told = {field: number for field, number in days.items() if number is not None}
        try:
            entry = ProfileEntry(**(kept | told | given))
        except ValidationError as error:
            wrong = in_words(error.errors(), ProfileEntry.model_json_schema())
            raise MillraceError("; ".join(found.what for found in wrong), where="profile") from None
        registry.put_profile(name, entry)


@profiles.command("delete")
def delete_profile(name: Annotated[str, typer.Argument(help="Name of the profile.")]) -> None:
    """Remove a profile no device has."""
    with _registry(None) as registry:
        if not registry.delete("profile", name):
            raise MillraceError(f"there is no profile {name!r}", mend="`millrace profiles list` shows them.")
