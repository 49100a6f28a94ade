"""Tells of the alerts that late readings raise, each once."""

from collections.abc import Iterable, Sequence

from pyiceberg.table import Table

from jobs.corrections.alert_choice import Found, Told, to_tell
from jobs.corrections.alert_rows import alert_rows
from jobs.corrections.alert_sources import AlertSources, Asked
from jobs.corrections.lake_reads import told_alerts
from jobs.corrections.lake_writes import append
from udfs.rules.alerts import AlertChange


def tell_untold(found: Iterable[Found], alert_events: Table, sources: AlertSources) -> int:
    """Tell what nobody was told of yet; return how many alerts that raised.

    The topic first, the history next: whoever was cut off in between tells the same again, which changes
    nothing. KafkaException and CommitFailedException when it could not be told.
    """
    changes = untold(found, alert_events, sources)
    if changes:
        sources.tell(changes)
        append(alert_events, alert_rows(changes))
    return sum(change.kind == "raised" for change in changes)


def untold(found: Iterable[Found], alert_events: Table, sources: AlertSources) -> list[AlertChange]:
    """Return what nobody was told of yet; those of one alert stay in order."""
    wanted = [one for one in found if one.changes]
    tenants = {change.tenant for one in wanted for change in one.changes}
    return [
        change
        for tenant in sorted(tenants)
        for change in _untold_of(
            tenant, [one for one in wanted if one.changes[0].tenant == tenant], alert_events, sources
        )
    ]


def _untold_of(
    tenant: str, found: Sequence[Found], alert_events: Table, sources: AlertSources
) -> list[AlertChange]:
    changes = [change for one in found for change in one.changes]
    onsets_ms = [change.onset_ms for change in changes]
    known = sources.known(
        Asked(
            tenant,
            {change.device_id for change in changes},
            {change.rule for change in changes},
            min(onsets_ms),
            max(onsets_ms),
        )
    )
    ids = {change.alert_id for change in changes}
    return to_tell(found, known, _told(alert_events, ids, (min(onsets_ms), max(onsets_ms) + 1)))


def _told(alert_events: Table, ids: set[str], span: tuple[int, int]) -> Told:
    rows = [row for row in told_alerts(alert_events, ids, span).to_pylist() if row["alert_id"] in ids]
    taken_back = {row["alert_id"] for row in rows if row["kind"] == "withdrawn"}
    return Told(
        live=frozenset(row["alert_id"] for row in rows if not row["retroactive"]) - taken_back,
        changes=frozenset(
            (row["alert_id"], row["kind"], round(row["at"].timestamp() * 1_000))
            for row in rows
            if row["retroactive"]
        ),
    )
