"""Earlier alerts that are like one: of the same rule, on the same device, then on others of its site."""

from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from catalog.outbox import Row
from catalog.statements import statements


def similar_alerts(connection: Connection, alert: Row, limit: int) -> list[Row]:
    """Return up to `limit` earlier alerts, each with the last comment on it."""
    names = ("tenant", "alert_id", "rule", "device_id", "site", "onset_ms")
    asked: dict[str, Any] = {name: alert[name] for name in names} | {"limit": limit}
    with connection.cursor(row_factory=dict_row) as cursor:
        return list(cursor.execute(statements("similar_alerts")["similar"], asked))
