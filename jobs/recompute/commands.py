"""`millrace recompute`: rollups and alerts anew from stored readings, shown before they are published."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from millrace.clock import now_ms, to_iso
from millrace.errors import MillraceError
from millrace.settings import Settings, settings

if TYPE_CHECKING:
    from jobs.recompute.asked import Asked
    from jobs.recompute.windows import DayDifference

app = typer.Typer()
_TURN_PATIENCE_S = 600.0
_SHOWN = 40


class What(StrEnum):
    """What is recomputed."""

    ROLLUPS = "rollups"
    ALERTS = "alerts"
    PREDICTIONS = "predictions"


class Way(StrEnum):
    """What becomes of the differences."""

    ASK = "ask"
    PUBLISH = "publish"
    DRY_RUN = "dry-run"


@app.command()
def recompute(
    what: Annotated[What, typer.Argument(help="What is computed anew.")],
    devices: Annotated[str, typer.Option(help="Names with commas between them, or all.")],
    from_: Annotated[str, typer.Option("--from", help="Event time: 7d, 12h, RFC 3339.")],
    to: Annotated[str, typer.Option(help="Event time, not included: the same forms, or now.")] = "now",
    tenant: Annotated[str | None, typer.Option(help="Tenant; the stack's own by default.")] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Publish without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what differs, write nothing.")] = False,
    remove_gone: Annotated[
        bool, typer.Option("--remove-gone", help="Remove rollups for which there is no reading any more.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; needs --publish or --dry-run.")
    ] = False,
) -> None:
    """Compute anew from stored readings, show what differs, and publish it in one commit."""
    way = _way(publish, dry_run, as_json)
    if what is What.PREDICTIONS:
        raise MillraceError(
            "predictions cannot be recomputed yet: there is no model in the stream",
            where="predictions",
            mend="Ask for rollups or alerts.",
        )
    config = settings()
    asked = _asked(config, devices, (from_, to), tenant)
    if what is What.ROLLUPS:
        differs, published = _rollups(config, asked, way, remove_gone, as_json)
    else:
        differs, published = _alerts(config, asked, way, as_json)
    if as_json:
        found = [one._asdict() | {"day": to_iso(one.day_ms)[:10]} for one in differs]
        typer.echo(json.dumps({"what": what.value, "published": published, "differences": found}))


def _way(publish: bool, dry_run: bool, as_json: bool) -> Way:
    if (publish and dry_run) or (as_json and not publish and not dry_run):
        raise MillraceError(
            "it is not clear whether to publish",
            where="--publish, --dry-run",
            mend="Give one of the two; --json asks no question.",
        )
    return Way.PUBLISH if publish else Way.DRY_RUN if dry_run else Way.ASK


def _asked(config: Settings, devices: str, span: tuple[str, str], tenant: str | None) -> "Asked":
    from catalog.commands import moment_ms
    from jobs.recompute.asked import Asked

    at_ms = now_ms()
    from_ms, to_ms = (at_ms if text == "now" else moment_ms(text, at_ms) for text in span)
    names = () if devices == "all" else tuple(sorted({one.strip() for one in devices.split(",")} - {""}))
    if devices != "all" and not names:
        raise MillraceError("no device is named", where="--devices", mend="Name some, or say all.")
    return Asked(tenant or config.tenant, names, from_ms, to_ms)


def _rollups(
    config: Settings, asked: "Asked", way: Way, remove_gone: bool, quiet: bool
) -> tuple[Sequence["DayDifference"], bool]:
    from catalog.turns import own_turn
    from jobs.corrections.hot_tier import HotTier
    from jobs.recompute.asked import whole_minutes
    from jobs.recompute.opened import devices_in, final_of, open_tables, scratch_memory
    from jobs.recompute.rollups import Plan, differences, publish, recompute_rollups, staged
    from jobs.runtime.hot_store import connect
    from udfs.hot_series import KEEP_MS

    asked = whole_minutes(asked, final_of(config).windows_ms)
    sources, _ = open_tables(config)
    asked = asked._replace(devices=asked.devices or devices_in(sources, asked))
    plan, name = Plan(sources, asked, remove_gone, now_ms() - KEEP_MS), f"recompute-rollups-{now_ms()}"
    put_panes = HotTier(connect(config)).put_panes
    with scratch_memory(config) as memory:
        if way is Way.DRY_RUN:
            differs = differences(memory, plan)
            _show(differs, quiet)
            return differs, False
        with staged(memory, plan, name) as found:
            _show(found.differs, quiet)
            if found.is_empty or not _agreed(way, name):
                return found.differs, False
            with own_turn(config, _TURN_PATIENCE_S):
                if publish(found, plan, put_panes):
                    return found.differs, True
                # Others corrected some of the same windows: computed once more, while they wait.
                return recompute_rollups(memory, plan, f"{name}-again", put_panes), True


def _alerts(
    config: Settings, asked: "Asked", way: Way, quiet: bool
) -> tuple[Sequence["DayDifference"], bool]:
    from catalog.turns import own_turn
    from jobs.corrections.alert_sources import alert_sources
    from jobs.recompute.alerts import AlertPlan, alert_differences, publish_alerts, staged_alerts
    from jobs.recompute.asked import whole_minutes
    from jobs.recompute.opened import devices_in, final_of, open_tables, scratch_memory

    final_ms = final_of(config).alerts_ms
    asked = whole_minutes(asked, final_ms)
    sources, alert_events = open_tables(config)
    asked = asked._replace(devices=asked.devices or devices_in(sources, asked))
    plan = AlertPlan(sources, alert_events, alert_sources(config), asked, final_ms)
    name = f"recompute-alerts-{now_ms()}"
    with scratch_memory(config) as memory:
        found = alert_differences(memory, plan)
        _show(found.differs, quiet)
        if way is Way.DRY_RUN or not found.changes:
            return found.differs, False
        with staged_alerts(plan, found.changes, name) as branch:
            if not _agreed(way, name):
                return found.differs, False
            with own_turn(config, _TURN_PATIENCE_S):
                if publish_alerts(memory, plan, branch, found.changes):
                    return found.differs, True
        raise MillraceError(
            "others told of some of these alerts meanwhile",
            where="iot.alert_events",
            mend="Ask again: what is left is then less.",
        )


def _agreed(way: Way, name: str) -> bool:
    return way is Way.PUBLISH or typer.confirm(f"It lies on branch {name}. Publish it?")


def _show(differs: Sequence["DayDifference"], quiet: bool) -> None:
    from millrace.output import left, print_table, right

    if quiet:
        return
    if not differs:
        typer.echo("nothing differs from what is published")
        return
    rows = [
        [one.device_id, to_iso(one.day_ms)[:10], *(f"{n:,}" for n in (one.added, one.changed, one.gone))]
        for one in differs[:_SHOWN]
    ]
    if len(differs) > _SHOWN:
        rows.append([f"... {len(differs) - _SHOWN:,} more", "", "", "", ""])
    sums = (sum(getattr(one, name) for one in differs) for name in ("added", "changed", "gone"))
    columns = (*left("device", "day"), *right("added", "changed", "gone"))
    total = ["all", "", *(f"{one:,}" for one in sums)]
    print_table(columns, rows, title="differs from what is published", total=total)
