"""The shapes of the answers about rules over the past, and of two rules side by side."""

from typing import Annotated

from pydantic import Field

from api.alert_answers import Evidence, Severity
from api.answers import Answer, IsoTime, TimeMs

Truncated = Annotated[bool, Field(description="There are more than are listed; all are counted.")]
MostInstances = Annotated[int, Field(description="So many are listed at most, the earliest onset first.")]


class BacktestInstance(Answer):
    """An alert that would have been raised; times are event time."""

    device_id: str
    severity: Severity = Field(description="The last one it had.")
    onset: IsoTime = Field(description="When the condition began.")
    onset_ms: TimeMs
    raised: IsoTime
    raised_ms: TimeMs
    cleared: IsoTime | None = Field(description="Null: it lasted at the end.")
    cleared_ms: TimeMs | None
    evidence: Evidence


class BacktestAnswer(Answer):
    """What a rule would have raised in [from, to), by the evaluator that judges live.

    Scope is by what the registry says of devices now. To know what holds at `from`, `look_back_s` before it
    are read too; an alert raised there is not counted.
    """

    tenant: str
    rule: str
    version: int | None = Field(description="Null: the draft that was sent.")
    kind: str = Field(description="Kind of its condition.", examples=["threshold"])
    from_: IsoTime = Field(alias="from")
    from_ms: TimeMs
    to: IsoTime
    to_ms: TimeMs
    passed_until: IsoTime = Field(description="Until when time passed: no further than the table can tell.")
    passed_until_ms: TimeMs
    look_back_s: float
    says: str = Field(examples=["would have fired 14 times on 3 devices"])
    fired: int
    devices_fired: int
    devices_judged: int = Field(description="Devices in scope with readings that say something to the rule.")
    rows_read: int = Field(description="Readings of devices in scope, look-back included, duplicates not.")
    snapshot_id: str | None = Field(description="Of iot.readings; null while it is empty.")
    took_ms: int
    instances: list[BacktestInstance]
    most_instances: MostInstances
    truncated: Truncated


class ComparedAlert(Answer):
    """An alert that the other rule did not have."""

    alert_id: str
    device_id: str
    rule_version: int
    severity: Severity
    shadow: bool
    onset: IsoTime
    onset_ms: TimeMs
    cleared: IsoTime | None = Field(description="Null: it lasts.")
    cleared_ms: TimeMs | None


class ComparedBoth(Answer):
    """Occasions on which both rules had alerts of one device at the same time."""

    occasions: int = Field(description="Alerts of both that hang together in time are one occasion.")
    devices: int
    first_alerts: int
    second_alerts: int


class ComparedOne(Answer):
    """Alerts of one rule at whose time the other had none on that device."""

    alerts: int
    devices: int
    instances: list[ComparedAlert]
    truncated: Truncated


class ComparisonAnswer(Answer):
    """Alerts of two rules that lasted in [from, to), matched by device and common time.

    Alerts of shadows are among them, withdrawn ones are not.
    """

    tenant: str
    first: str
    second: str
    from_: IsoTime = Field(alias="from")
    from_ms: TimeMs
    to: IsoTime
    to_ms: TimeMs
    says: str = Field(examples=["both on 9 occasions, only too-hot 2 times, only too-hot-new 5 times"])
    both: ComparedBoth
    only_first: ComparedOne
    only_second: ComparedOne
    most_instances: MostInstances
