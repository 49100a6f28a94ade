"""Notifications for people: what was sent to whom, what failed and why, and trying once more."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from api.channel_answers import Notification, NotificationDetail, NotificationPage, State, Try
from api.notifier.options import options
from api.problems import ProblemError
from api.queries.registry_access import iso, moment, open_database
from catalog.deliveries import Deliveries
from millrace.errors import MillraceError
from millrace.settings import Settings
from udfs.notify.notice import parse_notice
from udfs.notify.render import text
from udfs.notify.wording import Words, words


@contextmanager
def open_deliveries(config: Settings, tenant: str) -> Iterator[Deliveries]:
    """Open a tenant's notifications for one request; ProblemError (503) while PostgreSQL is away."""
    with open_database(config) as connection:
        yield Deliveries(connection, tenant)


def page(
    config: Settings,
    tenant: str,
    *,
    state: State | None,
    channel: str | None,
    alert_id: str | None,
    limit: int,
    cursor: int,
) -> NotificationPage:
    """Return one page, newest first."""
    link_root = options(config).link_root
    with open_deliveries(config, tenant) as deliveries:
        found = deliveries.page(
            before=cursor, limit=limit + 1, state=state, channel=channel, alert_id=alert_id
        )
    shown = [Notification(**_fields(row, _words(row, link_root))) for row in found[:limit]]
    more = len(found) > limit
    return NotificationPage(
        tenant=tenant, notifications=shown, next_cursor=shown[-1].notification_id if more else None
    )


def show(config: Settings, deliveries: Deliveries, notification_id: int) -> NotificationDetail:
    """Return one notification with its attempts; ProblemError (404)."""
    row = deliveries.find(notification_id)
    if row is None:
        raise _unknown(notification_id)
    said = _words(row, options(config).link_root)
    tries = [Try(**one | {"started_at": iso(one["started_at"])}) for one in row["tries"]]
    return NotificationDetail(**_fields(row, said), text=None if said is None else text(said), tries=tries)


def retry(config: Settings, deliveries: Deliveries, notification_id: int, now_ms: int) -> NotificationDetail:
    """Let a notification that failed be tried now, once more; ProblemError (404, 409)."""
    found = show(config, deliveries, notification_id)
    if not deliveries.retry(notification_id, moment(now_ms)):
        raise ProblemError(
            409,
            "not-failed",
            f"Notification {notification_id} is {found.state}.",
            where="state",
            mend="Only one that failed or was given up can be tried again.",
        )
    return show(config, deliveries, notification_id)


def _unknown(notification_id: int) -> ProblemError:
    return ProblemError(
        404,
        "unknown-notification",
        f"There is no notification {notification_id}.",
        where="notification_id",
        mend="GET /notifications lists those there are.",
    )


def _words(row: dict[str, Any], link_root: str) -> Words | None:
    try:
        return words(parse_notice(row["payload"]), link_root)
    except MillraceError:
        return None


def _fields(row: dict[str, Any], said: Words | None) -> dict[str, Any]:
    kept = (
        "notification_id",
        "tenant",
        "alert_id",
        "rule",
        "site",
        "reason",
        "channel",
        "state",
        "attempts",
        "group_wait_s",
    )
    to_come = row["state"] in {"pending", "failed"}
    return {name: row[name] for name in (*kept, "group_wait_s", "last_error")} | {
        "title": None if said is None else said.title,
        "alerts": 0 if said is None else len(said.entries) + said.more,
        "next_attempt_at": iso(row["next_attempt_at"]) if to_come else None,
        "created_at": iso(row["created_at"]),
        "sent_at": iso(row["sent_at"]),
    }
