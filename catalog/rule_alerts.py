"""Alerts of some rules that lasted in a span of time, to be laid side by side."""

from typing import Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from catalog.statements import statements

MOST_ALERTS: Final = 100_000


class LastingAlert(NamedTuple):
    """An alert of a rule; event times, `end_ms` None = it lasts."""

    rule: str
    rule_version: int
    device_id: str
    alert_id: str
    severity: str
    shadow: bool
    onset_ms: int
    end_ms: int | None


def lasting_alerts(
    connection: Connection, tenant: str, rules: list[str], from_ms: int, to_ms: int
) -> list[LastingAlert]:
    """Return alerts of the rules that lasted in [from_ms, to_ms), one more than MOST_ALERTS at most.

    Shadows are among them, withdrawn ones are not. What a person cleared lasts as long as its condition.
    """
    asked = {"tenant": tenant, "rules": rules, "from_ms": from_ms, "to_ms": to_ms, "limit": MOST_ALERTS + 1}
    with connection.cursor(row_factory=class_row(LastingAlert)) as cursor:
        return cursor.execute(statements("rule_alerts")["lasting"], asked).fetchall()
