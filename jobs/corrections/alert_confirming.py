"""Takes back alerts that the stream told of before a crash and, reading again, did not find.

The stream tells of an alert at once. After a crash it reads again from its checkpoint, in other batches: what
a reading out of order makes untrue a moment later may then never be told, and so never be taken back. What
iot.alert_events holds the stream stands behind; an alert whose time is final and that is not there never was.
"""

from collections.abc import Collection, Sequence
from typing import Final

from pyiceberg.table import Table

from catalog.known_alerts import Unconfirmed
from jobs.corrections.alert_sources import AlertSources
from jobs.corrections.lake_reads import told_alerts
from udfs.rules.alerts import AlertChange

# Readings that wait for rules are judged later than the watermark says.
SLACK_MS: Final = 60_000


def confirm_told(alert_events: Table, sources: AlertSources, final_ms: int) -> int:
    """Confirm what the stream stands behind, and tell that the rest is withdrawn; return how many that was.

    A bounded number of alerts at a time, oldest first. Cut off in between it does the same again, which
    changes nothing. psycopg.Error and KafkaException when others are away.
    """
    asked = sources.unconfirmed(final_ms - SLACK_MS)
    if not asked:
        return 0
    held = _held(alert_events, asked)
    sources.confirm([one for one in asked if one.alert_id in held])
    gone = [_withdrawn(one) for one in asked if one.alert_id not in held]
    if gone:
        sources.tell(gone)
    return len(gone)


def _held(alert_events: Table, asked: Sequence[Unconfirmed]) -> Collection[str]:
    onsets_ms = [one.onset_ms for one in asked]
    span = (min(onsets_ms), max(onsets_ms) + 1)
    rows = told_alerts(alert_events, {one.alert_id for one in asked}, span).to_pylist()
    return {row["alert_id"] for row in rows if not row["retroactive"]}


def _withdrawn(one: Unconfirmed) -> AlertChange:
    return AlertChange(
        **(one._asdict() | {"kind": "withdrawn", "retroactive": False}),
        evidence={"cause": "told before a crash, not found when read again"},
    )
