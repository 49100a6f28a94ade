"""Alerts of some devices and rules that are known already, however they became known."""

from collections.abc import Collection
from typing import NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from catalog.statements import statements


class KnownAlert(NamedTuple):
    """An alert in PostgreSQL that was not withdrawn; event times, `end_ms` None = it lasts."""

    alert_id: str
    device_id: str
    rule: str
    retroactive: bool
    onset_ms: int
    end_ms: int | None


def known_alerts(
    connection: Connection,
    tenant: str,
    devices: Collection[str],
    rules: Collection[str],
    from_ms: int,
    until_ms: int,
) -> list[KnownAlert]:
    """Return alerts that lasted in [from_ms, until_ms]; what a person cleared lasts as its condition does."""
    asked = {
        "tenant": tenant,
        "devices": list(devices),
        "rules": list(rules),
        "from_ms": from_ms,
        "until_ms": until_ms,
    }
    with connection.cursor(row_factory=class_row(KnownAlert)) as cursor:
        return cursor.execute(statements("known_alerts")["lasting"], asked).fetchall()
