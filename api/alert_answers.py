"""The shapes of the answers about alerts, and of what is asked of them."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, model_validator

from api.answers import Answer, IsoTime, TimeMs
from api.rule_answers import Definition

State = Literal["open", "acknowledged", "cleared", "withdrawn"]
Severity = Literal["info", "warning", "critical"]
Person = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Evidence = Annotated[dict[str, float | str], Field(description="Figures of the onset: value, limit ...")]


class AlertAnswer(Answer):
    """An alert as it is now; onset and cleared are event time, the other times when it was done."""

    tenant: str
    alert_id: str = Field(description="The same for the same alert, however often it is found.")
    rule: str
    rule_version: int = Field(description="Version of the rule that raised it.")
    device_id: str
    site: str = Field(description="Empty when the device has none.")
    severity: Severity
    state: State = Field(description="withdrawn: readings out of order made it untrue.")
    shadow: bool = Field(description="Of a rule that only watches; nobody was told.")
    retroactive: bool = Field(description="Found by late data; nobody was told.")
    evidence: Evidence
    onset: IsoTime
    onset_ms: TimeMs
    cleared: IsoTime | None = Field(description="When the condition ended; null while it lasts.")
    cleared_ms: TimeMs | None
    raised_at: IsoTime
    acknowledged_at: IsoTime | None
    acknowledged_by: str | None
    closed_at: IsoTime | None
    closed_by: str | None
    closed_cause: Literal["stream", "rule", "person"] | None = Field(
        description="stream: the condition ended; rule: it was disabled or deleted; person: by hand."
    )
    assignee: str | None
    snoozed_until: IsoTime | None


class AlertPage(Answer):
    """One page of alerts, the newest onset first; `next_cursor` is null on the last page."""

    tenant: str
    alerts: list[AlertAnswer]
    next_cursor: str | None


class AlertEvent(Answer):
    """One thing that happened to an alert."""

    kind: str = Field(examples=["raised", "acknowledged", "cleared"])
    at: IsoTime = Field(description="Event time of what the stream says, else when it was done.")
    at_ms: TimeMs
    actor: str = Field(description="`stream`, `keeper` (time and rules), or who did it.")
    detail: dict[str, JsonValue]
    noted_at: IsoTime


class Comment(Answer):
    """What somebody said of an alert."""

    comment_id: int
    author: str
    text: str
    made_at: IsoTime


WaitsFor = Literal["group_wait", "snooze", "retry", "delivery"]


class Told(Answer):
    """A message about the alert, alone or with others of its rule and site."""

    notification_id: int
    reason: Literal["raised", "escalated", "unacknowledged", "cleared"]
    channel: str
    state: Literal["pending", "sent", "failed", "dead"]
    attempts: int
    next_attempt_at: IsoTime
    waits_for: WaitsFor | None = Field(
        description="Why it is not sent yet. group_wait: alerts of its rule and site are gathered until "
        "`next_attempt_at`; snooze: the alert is snoozed until then; retry: it failed and is tried again "
        "then; delivery: it is due, and its channel takes it next. Null: nothing is to come."
    )
    group_wait_s: int = Field(description="Seconds it was held back for more alerts of its rule and site.")
    last_error: str | None
    created_at: IsoTime
    sent_at: IsoTime | None


class AlertDetail(AlertAnswer):
    """An alert with the rule as it was, and all that happened to it, oldest first."""

    definition: Definition | None
    history: list[AlertEvent]
    comments: list[Comment]
    notifications: list[Told]


class Assignment(Answer):
    """Who takes care of it; null: nobody in particular."""

    assignee: Person | None


class Snooze(Answer):
    """How long nobody is to be told: for a time, until a time, or with neither no longer."""

    for_s: int | None = Field(default=None, gt=0, le=366 * 86_400)
    until: str | None = Field(default=None, max_length=64, description="RFC 3339 or epoch milliseconds.")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.for_s is not None and self.until is not None:
            raise ValueError("a snooze should be for_s or until, not both")
        return self


class CommentRequest(Answer):
    """What to say."""

    text: str = Field(min_length=1, max_length=10_000)

    @model_validator(mode="before")
    @classmethod
    def _is_text(cls, given: Any) -> Any:
        if isinstance(given, dict) and "\x00" in str(given.get("text")):
            raise ValueError("text should be free of NUL characters")
        return given


class AuditEntry(Answer):
    """Who changed what."""

    audit_id: int
    at: IsoTime
    actor: str
    action: str = Field(examples=["create", "change", "delete", "acknowledged"])
    subject_kind: Literal["rule", "alert", "channel"]
    subject: str
    detail: dict[str, JsonValue]


class AuditPage(Answer):
    """One page of the audit, newest first; `next_cursor` is null on the last page."""

    tenant: str
    entries: list[AuditEntry]
    next_cursor: str | None
