"""One connection to PostgreSQL for a request, who asks, and what becomes of errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import psycopg
from fastapi import Header
from psycopg import Connection

from api.problems import ProblemError
from catalog.alert_desk import AlertOverError, NoSuchAlertError
from catalog.migrations import connect
from catalog.registry_names import require_tenant, writer
from catalog.registry_store import UnknownNameError
from catalog.rule_store import Change, NoSuchRuleError, OtherVersionError, RuleExistsError
from millrace.clock import to_iso
from millrace.errors import MillraceError
from millrace.settings import Settings

User = Annotated[
    str,
    Header(
        alias="X-Millrace-User",
        min_length=1,
        max_length=128,
        pattern=r"^[\x21-\x7e\xa0-\xff]([\x20-\x7e\xa0-\xff]*[\x21-\x7e\xa0-\xff])?$",
        description="Who asks; it goes into the audit.",
    ),
]
NOBODY = "anonymous"
_STATUS: dict[type[MillraceError], tuple[int, str]] = {
    NoSuchRuleError: (404, "unknown-rule"),
    RuleExistsError: (409, "rule-exists"),
    OtherVersionError: (412, "other-version"),
    NoSuchAlertError: (404, "unknown-alert"),
    AlertOverError: (409, "alert-over"),
    UnknownNameError: (422, "unknown-name"),
}


@contextmanager
def open_for_writing(
    config: Settings, tenant: str, may_create: bool, *, dry_run: bool = False
) -> Iterator[Connection]:
    """Open PostgreSQL for a request that writes for a tenant, which must exist unless it may be made."""
    with open_database(config) as connection:
        require_tenant(connection, tenant, writer(config, may_create), dry_run=dry_run)
        yield connection


@contextmanager
def open_database(config: Settings) -> Iterator[Connection]:
    """Open PostgreSQL for one request; errors become problems (404, 409, 412, 422, 503)."""
    try:
        with connect(config) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise ProblemError(
            503,
            "registry-unavailable",
            f"PostgreSQL, which holds rules and alerts, cannot answer now ({type(error).__name__}).",
            where="postgres",
            mend="Try again in a moment; `millrace status` and GET /health show what is down.",
        ) from None
    except MillraceError as error:
        if type(error) not in _STATUS:
            raise
        status, kind = _STATUS[type(error)]
        raise ProblemError(status, kind, f"{error.what}.", where=error.where, mend=error.mend) from None


def change_by(user: str, now_ms: int) -> Change:
    """Return who changes something, and when."""
    return Change(user, moment(now_ms))


def moment(time_ms: int) -> datetime:
    """Return epoch milliseconds as a moment in UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def iso(at: datetime | None) -> str | None:
    """Return a moment as the API writes it."""
    return None if at is None else to_iso(round(at.timestamp() * 1000))
