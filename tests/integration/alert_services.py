"""PostgreSQL, and Kafka for those who ask, of the alert tests' own; nothing else of a stack runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from psycopg.rows import dict_row

from catalog.alert_transitions import Kind, Transition
from catalog.migrations import connect
from millrace.settings import Settings
from tests.integration.own_services import own_services

START_MS = 1_767_225_600_000


def at(second: float = 0) -> datetime:
    """Return a moment of the tests' day."""
    return datetime.fromtimestamp(START_MS / 1000 + second, UTC)


def alert_id(device: str, onset_s: float = 0) -> str:
    return sha256(f"{device}/{onset_s}".encode()).hexdigest()[:24]


def said(
    tenant: str,
    kind: Kind,
    device: str = "pump-1",
    at_s: float = 60,
    *,
    onset_s: float = 0,
    site: str = "hall-4",
    rule: str = "too-hot",
    version: int = 1,
    severity: str = "warning",
    shadow: bool = False,
    retroactive: bool = False,
) -> Transition:
    """Return what the stream says of an alert, which its device and onset name."""
    return Transition(
        alert_id=alert_id(f"{tenant}/{device}", onset_s),
        tenant=tenant,
        device_id=device,
        site=site,
        rule=rule,
        rule_version=version,
        kind=kind,
        severity=severity,
        onset_ms=START_MS + round(1000 * onset_s),
        at_ms=START_MS + round(1000 * at_s),
        shadow=shadow,
        retroactive=retroactive,
        evidence={"temperature_c": 90 + at_s / 60, "at": kind},
    )


def rule(name: str = "too-hot", **fields: Any) -> dict[str, Any]:
    """Return a rule as people write it."""
    when = {"kind": "threshold", "metric": "temperature_c", "raise_above": 90, "for_s": 60}
    return {"rule": name, "when": when, "notify": ["ops"]} | fields


def rows(config: Settings, statement: Any, *values: Any) -> list[dict[str, Any]]:
    """Run a statement of a test; its rows, when there are any."""
    with connect(config) as connection, connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(statement, values)
        return list(cursor) if cursor.description else []


@contextmanager
def running(home: Path, *names: str) -> Iterator[Settings]:
    """Start services in a folder, ready for use; end them at the end."""
    with own_services(home, "alerts", *names) as config:
        yield config


def add_tenant(config: Settings, tenant: str) -> str:
    """Make a tenant, as `create=true` of a first write does."""
    rows(config, "INSERT INTO tenant (tenant) VALUES (%s) ON CONFLICT DO NOTHING", tenant)
    return tenant
