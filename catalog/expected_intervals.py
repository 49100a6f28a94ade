"""How often devices are expected to send, from the registry."""

from collections.abc import Collection

from psycopg import Connection

from catalog.statements import statements


def expected_intervals_ms(connection: Connection, tenant: str, device_ids: Collection[str]) -> dict[str, int]:
    """Return the expected interval of each device that is registered, milliseconds."""
    asked = {"tenant": tenant, "device_ids": list(device_ids)}
    rows = connection.execute(statements("expected_intervals")["expected_intervals"], asked).fetchall()
    return {device_id: round(interval_s * 1000) for device_id, interval_s in rows}
