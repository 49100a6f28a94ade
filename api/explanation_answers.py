"""The shape of an alert's explanation."""

from typing import Annotated, Literal

from pydantic import Field

from api.alert_answers import AlertAnswer, Severity, State
from api.answers import Answer, IsoTime, TimeMs
from api.rule_answers import Definition

SnapshotId = Annotated[str, Field(description="Of table iot.readings; text, because it has 64 bits.")]
Z = Annotated[
    float | None,
    Field(description="Robust z-score, 0.6745 (value - usual) / MAD; null when it never varied before."),
]


class Commit(Answer):
    """A state of the table iot.readings."""

    snapshot_id: SnapshotId
    committed: IsoTime
    committed_ms: TimeMs


class ExplainedReading(Answer):
    """One reading as it was stored."""

    time: IsoTime
    time_ms: TimeMs
    metrics: dict[str, float]
    late: bool = Field(description="It came behind the watermark; the alert may have been raised without it.")


class Readings(Answer):
    """What the device sent around the onset, nearest to it, in order of event time; duplicates left out."""

    tier: Literal["history"] = Field(description="Where they come from: iot.readings, as they were sent.")
    commit: Commit
    from_: IsoTime = Field(alias="from")
    from_ms: TimeMs
    to: IsoTime
    to_ms: TimeMs
    readings: list[ExplainedReading]
    left_out: int = Field(description="Readings of this range that are farther from the onset.")


class Departure(Answer):
    """A metric's median from the onset on, against its median before."""

    metric: str
    value: float = Field(description="Median from the onset until five minutes later, or until it was over.")
    usual: float = Field(description="Median of the time before.")
    z: Z
    samples: int = Field(description="Readings before the onset it is judged by.")
    remarkable: bool = Field(description="Its |z| is 3.5 or more, or it moved and never did before.")


class Departures(Answer):
    """The device's metrics, the farthest departed first."""

    before_s: int = Field(description="Seconds before the onset they are compared with: an hour, or a day.")
    metrics: list[Departure]


class Neighbour(Answer):
    """Another device of the site, and the same metric on it; null where it cannot be judged."""

    device_id: str
    departure: Departure | None


class Neighbours(Answer):
    """Other devices that are registered at the site now, by id."""

    site: str
    metric: str
    devices: list[Neighbour]
    departing: list[str] = Field(description="Those whose departure is remarkable too.")
    left_out: int = Field(description="Further devices of the site, which were not looked at.")


class SimilarAlert(Answer):
    """An earlier alert of the rule, on the device or on another of its site."""

    alert_id: str
    device_id: str
    severity: Severity
    state: State
    shadow: bool
    onset: IsoTime
    onset_ms: TimeMs
    ended: str = Field(examples=["cleared by itself after 3 min 20 s"])
    closed_cause: Literal["stream", "rule", "person"] | None
    closed_by: str | None
    lasted_s: float | None = Field(description="In event time; by the clock when not the stream ended it.")
    acknowledged_by: str | None
    acknowledged_after_s: float | None
    last_comment: str | None


class DataThen(Answer):
    """The data as the table had it when the alert was raised."""

    commit: Commit | None = Field(description="Null: nothing was committed, or it is kept no longer.")
    from_: IsoTime = Field(alias="from")
    to: IsoTime
    device_id: str
    metric: str | None
    explanation_path: str | None = Field(description="This explanation at that commit.")
    series_path: str = Field(description="The series as it is now.")


class Explanation(Answer):
    """Why there is an alert. What could not be found is null or empty, and a notice says why."""

    alert: AlertAnswer
    what: str = Field(description="The evidence in words.")
    summary: list[str] = Field(description="All of it in sentences, each of which stands alone.")
    definition: Definition | None = Field(description="The rule at the alert's version.")
    readings: Readings | None
    departures: Departures | None
    neighbours: Neighbours | None
    similar: list[SimilarAlert]
    data: DataThen
    notices: list[str]
