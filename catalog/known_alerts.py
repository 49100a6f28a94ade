"""Alerts that are known already, however they became known, and which of them the stream stands behind."""

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


class Unconfirmed(NamedTuple):
    """A live alert that was told, and of which it is not known yet whether the stream stands behind it."""

    tenant: str
    alert_id: str
    device_id: str
    site: str
    rule: str
    rule_version: int
    severity: str
    onset_ms: int
    at_ms: int
    shadow: bool


def unconfirmed_alerts(connection: Connection, until_ms: int, limit: int) -> list[Unconfirmed]:
    """Return those of which the stream last spoke at or before an event time, oldest first."""
    with connection.cursor(row_factory=class_row(Unconfirmed)) as cursor:
        asked = {"until_ms": until_ms, "limit": limit}
        return cursor.execute(statements("known_alerts")["unconfirmed"], asked).fetchall()


def confirm_alerts(connection: Connection, alerts: Collection[Unconfirmed]) -> None:
    """Remember that the stream stands behind these."""
    asked = {"tenants": [one.tenant for one in alerts], "ids": [one.alert_id for one in alerts]}
    connection.execute(statements("known_alerts")["confirm"], asked)
