"""What a notification says, as the outbox holds it."""

from typing import Annotated, Any, Literal

import msgspec

from millrace.errors import MillraceError

Reason = Literal["raised", "escalated", "unacknowledged", "cleared", "test"]
Severity = Literal["info", "warning", "critical"]


class NoticeAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert of a notice as it was when the notice was written; times are event times."""

    alert_id: str
    device_id: str
    severity: Severity
    state: str
    onset_ms: int
    at_ms: int
    cleared_ms: int | None = None
    evidence: dict[str, Any] = {}


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts of one rule and site that a channel is told of together.

    `count` may be more than `alerts` lists; `severity` and `onset_ms` are of the worst and of the earliest.
    """

    reason: Reason
    tenant: str
    site: str
    rule: str
    rule_version: int | None = None
    about: str = ""
    when: dict[str, Any] | None = None
    escalate_after_s: float | None = None
    severity: Severity
    onset_ms: int
    count: int
    alerts: Annotated[tuple[NoticeAlert, ...], msgspec.Meta(min_length=1)]


def parse_notice(payload: Any) -> Notice:
    """Read a notice from an outbox row's payload.

    Raises MillraceError when it is none.
    """
    try:
        return msgspec.convert(payload, Notice)
    except msgspec.ValidationError as error:
        raise MillraceError(
            f"The notification cannot be read: {error}", where="notification.payload", mend="Report it."
        ) from None


def sample_notice(tenant: str, now_ms: int) -> Notice:
    """Return the notice that a test of a channel sends."""
    evidence = {"metric": "temperature_c", "value": 96.4, "limit": 90.0}
    alert = NoticeAlert(
        alert_id="0" * 24,
        device_id="example-device",
        severity="info",
        state="open",
        onset_ms=now_ms - 60_000,
        at_ms=now_ms,
        evidence=evidence,
    )
    return Notice(
        reason="test",
        tenant=tenant,
        site="example-site",
        rule="example-rule",
        about="This is a test of the channel; nothing is wrong",
        when={"kind": "threshold", "metric": "temperature_c", "raise_above": 90, "for_s": 60},
        severity="info",
        onset_ms=alert.onset_ms,
        count=1,
        alerts=(alert,),
    )
