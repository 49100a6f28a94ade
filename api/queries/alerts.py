"""Alerts and the audit as answers."""

import base64
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NoReturn

from api.alert_answers import (
    AlertAnswer,
    AlertDetail,
    AlertEvent,
    AlertPage,
    AuditEntry,
    AuditPage,
    Comment,
    Snooze,
    Told,
    WaitsFor,
)
from api.problems import WrongParameterError
from api.queries.registry_access import iso, moment
from api.queries.timerange import parse_time
from catalog.alert_desk import STATES, AlertDesk, Place, Wanted
from catalog.alert_transitions import ACTIVE
from catalog.outbox import Row
from millrace.clock import to_iso

AskedState = Literal["any", "active", "open", "acknowledged", "cleared", "withdrawn"]
AskedShadow = Literal["exclude", "include", "only"]
_SHADOWS: dict[AskedShadow, Sequence[bool]] = {
    "exclude": (False,),
    "include": (False, True),
    "only": (True,),
}
# Some event times are of the future, and no device's is behind this.
FOREVER_MS = 253_402_300_800_000
_CURSOR = re.compile(r"(?P<onset_ms>-?\d{1,16}):(?P<alert_id>[0-9a-f]{24})", re.ASCII)


def states_of(asked: AskedState) -> Sequence[str]:
    """Return the states a filter means; `any` leaves out what never was."""
    if asked == "any":
        return [state for state in STATES if state != "withdrawn"]
    return ACTIVE if asked == "active" else (asked,)


def shadows_of(asked: AskedShadow) -> Sequence[bool]:
    """Return whether alerts of rules that only watch are wanted."""
    return _SHADOWS[asked]


def page(desk: AlertDesk, tenant: str, wanted: Wanted, limit: int, cursor: str | None) -> AlertPage:
    """Return one page of alerts, the newest onset first."""
    found = desk.alerts(wanted, limit + 1, decode_cursor(cursor) if cursor else None)
    shown = found[:limit]
    more = len(found) > limit
    next_cursor = encode_cursor(Place(shown[-1]["onset_ms"], shown[-1]["alert_id"])) if more else None
    return AlertPage(tenant=tenant, alerts=[answer(row) for row in shown], next_cursor=next_cursor)


def encode_cursor(place: Place) -> str:
    """Return the cursor of the page that follows this place."""
    return base64.urlsafe_b64encode(f"{place.onset_ms}:{place.alert_id}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> Place:
    """Read a cursor; WrongParameterError when it is none of ours."""
    try:
        plain = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        found = _CURSOR.fullmatch(plain)
        return Place(int(found["onset_ms"]), found["alert_id"]) if found else _no_cursor()
    # base64 refuses text beyond ASCII by a ValueError of its own.
    except ValueError:
        _no_cursor()


def _no_cursor() -> NoReturn:
    raise WrongParameterError(
        "cursor", "the cursor is none that this API gave", accepted="`next_cursor` of an earlier answer"
    ) from None


def answer(row: Row) -> AlertAnswer:
    """Return an alert as an answer."""
    return AlertAnswer(**_fields(row))


def detail(desk: AlertDesk, alert_id: str, now_ms: int) -> AlertDetail:
    """Return an alert with all that happened to it; NoSuchAlertError."""
    story = desk.story(alert_id)
    return AlertDetail(
        **_fields(story.alert),
        definition=story.definition,
        history=[AlertEvent(**_times(row), at=to_iso(row["at_ms"])) for row in story.history],
        comments=[comment(row) for row in story.comments],
        notifications=[
            Told(**_times(row), waits_for=_waits_for(row, story.alert, now_ms)) for row in story.notifications
        ],
    )


def _waits_for(notification: Row, alert: Row, now_ms: int) -> WaitsFor | None:
    """Return why a notification is not sent yet."""
    state, due_at = notification["state"], notification["next_attempt_at"]
    if state == "failed" or (state == "pending" and notification["attempts"]):
        return "retry" if state == "failed" else "delivery"
    if state != "pending":
        return None
    if due_at <= moment(now_ms):
        return "delivery"
    return "snooze" if alert["snoozed_until"] == due_at else "group_wait"


def comment(row: Row) -> Comment:
    """Return a comment as an answer."""
    return Comment(text=row["body"], **{name: v for name, v in _times(row).items() if name != "body"})


def snoozed_until(asked: Snooze, now_ms: int) -> datetime | None:
    """Return when a snooze ends; WrongParameterError when that is no time to come."""
    if asked.for_s is not None:
        return moment(now_ms) + timedelta(seconds=asked.for_s)
    if asked.until is None:
        return None
    until_ms = parse_time(asked.until, "until", now_ms)
    if until_ms <= now_ms:
        raise WrongParameterError("until", f"{asked.until!r} is over", accepted="a time to come")
    return moment(until_ms)


def audit_page(desk: AlertDesk, tenant: str, limit: int, before: int, **asked: str | None) -> AuditPage:
    """Return one page of the audit; the cursor is the last number."""
    found = desk.audit(before=before, limit=limit + 1, **asked)
    shown = found[:limit]
    return AuditPage(
        tenant=tenant,
        entries=[AuditEntry(**_times(row)) for row in shown],
        next_cursor=str(shown[-1]["audit_id"]) if len(found) > limit else None,
    )


def _fields(row: Row) -> dict[str, Any]:
    left_out = ("at_ms",)
    cleared_ms = row["cleared_ms"]
    return {name: value for name, value in _times(row).items() if name not in left_out} | {
        "onset": to_iso(row["onset_ms"]),
        "cleared": None if cleared_ms is None else to_iso(cleared_ms),
    }


def _times(row: Row) -> dict[str, Any]:
    return {name: iso(value) if isinstance(value, datetime) else value for name, value in row.items()}
