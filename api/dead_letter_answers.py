"""The shapes of the answers about dead letters."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from api.answers import Answer, IsoTime, TimeMs
from api.queries.timerange import TIME_FORMS
from udfs.dead_letter_fixes import Fix

DeadLetterId = Annotated[
    str, Field(pattern=r"^\d{1,9}-\d{1,18}$", description="Kafka partition and offset.", examples=["0-17"])
]
Outcome = Literal["accepted", "refused", "pending", "would_be_accepted", "would_be_refused"]


class LastReplay(Answer):
    """The last replay of a letter; `pending` was cut off or is on its way."""

    state: Literal["pending", "accepted", "refused"]
    time: IsoTime = Field(description="When the gateway answered, or when it was sent while pending.")
    time_ms: TimeMs
    reason: str | None
    detail: str | None


class DeadLetterEntry(Answer):
    """One message the gateway refused."""

    dead_letter_id: DeadLetterId
    reason: str = Field(description="Stable code.", examples=["bad_event_time"])
    detail: str = Field(description="What was wrong, where in the message.")
    tenant: str | None = Field(description="Null when the address named none.")
    device_id: str | None
    address: str = Field(description="MQTT topic or HTTP path it came to.")
    received_at: IsoTime
    received_at_ms: TimeMs
    source: str = Field(description="Protocol it came by.")
    size_bytes: int
    preview: str = Field(description="The beginning of the message; what is no UTF-8 is shown as �.")
    replay: LastReplay | None = Field(description="Null when it was never replayed.")


class DeadLetterPage(Answer):
    """One page of dead letters, newest first; `next_cursor` is null on the last page."""

    tenant: str
    dead_letters: list[DeadLetterEntry]
    next_cursor: str | None


class Original(Answer):
    """The refused bytes: as `text` when they are UTF-8, else as `base64`."""

    text: str | None
    base64: str | None


class DeadLetterDetail(DeadLetterEntry):
    """One message the gateway refused, whole, and what to do about it."""

    meaning: str = Field(description="The reason in plain words.")
    mend: str = Field(description="What a person can do.")
    original: Original


class ReasonCount(Answer):
    """How many letters share a reason and a source."""

    reason: str
    source: str
    count: int
    meaning: str
    mend: str


class DeadLetterSummary(Answer):
    """Dead letters of [from, to) by reason and source, the most frequent first."""

    tenant: str
    from_: IsoTime = Field(alias="from")
    from_ms: TimeMs
    to: IsoTime
    to_ms: TimeMs
    total: int
    counts: list[ReasonCount]


class ReplayedReading(Answer):
    """A reading a replay stored, or would store."""

    device_id: str
    event_id: str


class ReplayOutcome(Answer):
    """What came, or would come, of one replay."""

    dead_letter_id: DeadLetterId
    outcome: Outcome
    repeated: bool = Field(description="This is what an earlier request did; nothing was sent now.")
    time: IsoTime | None = Field(description="When the gateway answered; null while it has not.")
    time_ms: TimeMs | None
    reason: str | None = Field(
        description="Why it is refused: the gateway's code, `fix_failed`, or `already_replayed`"
        " (another dead letter carried the same event)."
    )
    detail: str | None
    readings: list[ReplayedReading]
    sent: str | None = Field(description="The JSON for the gateway, after the fixes.")


class ReplayReport(Answer):
    """What came of each letter of a selection, newest first or in the order of the ids."""

    dry_run: bool
    counts: dict[str, int] = Field(description="Letters by outcome.")
    outcomes: list[ReplayOutcome]
    unknown_ids: list[str] = Field(description="Asked for, and not among this tenant's dead letters.")
    stopped: str | None = Field(
        description="Why the run ended early; the same request again goes on where it stopped."
    )
    next_cursor: str | None = Field(description="The next letters of the filter; null at the end.")


class ReplayRequest(Answer):
    """How to mend one letter; with neither body nor fixes the original is sent again."""

    body: dict[str, JsonValue] | list[dict[str, JsonValue]] | None = Field(
        default=None, description="A corrected message instead of the original."
    )
    fixes: list[Fix] = Field(default=[], max_length=50, description="Applied in this order.")


class ReplayFilter(Answer):
    """Which letters; a field left out means any."""

    reason: str | None = Field(default=None, max_length=100)
    device: str | None = Field(default=None, max_length=256)
    source: str | None = Field(default=None, max_length=100)
    from_: str = Field(default="-7d", alias="from", max_length=64, description=TIME_FORMS)
    to: str = Field(default="now", max_length=64, description=TIME_FORMS)


class ReplaySelection(Answer):
    """Letters by their ids, or by a filter; one of the two."""

    ids: list[DeadLetterId] | None = Field(default=None, min_length=1, max_length=500)
    filter: ReplayFilter | None = None
    fixes: list[Fix] = Field(default=[], max_length=50, description="Applied to each, in this order.")
