"""The shapes of `/channels` and `/notifications`."""

from typing import Annotated, Any, Literal

from pydantic import Field

from api.answers import Answer, IsoTime

ChannelName = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
State = Literal["pending", "sent", "failed", "dead"]


GroupWait = Annotated[
    int,
    Field(
        ge=0,
        le=3600,
        description="Seconds in which alerts of one rule and site are gathered into one message before it is "
        "sent; alerts of devices without a site are sent at once.",
    ),
]
GroupWaitCritical = Annotated[
    int,
    Field(ge=0, le=3600, description="The same for critical alerts, but for the message that they are over."),
]


class ChannelRequest(Answer):
    """A channel as it is to be; `GET /channel-kinds` says what settings and secret a kind has."""

    kind: str = Field(max_length=32, examples=["webhook"])
    about: str = Field(default="", max_length=500, pattern=r"^[^\x00]*$")
    enabled: bool = Field(default=True, description="A channel switched off takes no notifications.")
    group_wait_s: GroupWait = 30
    group_wait_critical_s: GroupWaitCritical = 0
    settings: dict[str, Any] = Field(default={}, examples=[{"url": "https://example.com/alerts"}])
    secret: dict[str, Any] | None = Field(
        default=None, description="Stored encrypted and never shown; left out, the one it has stays."
    )


class ChannelHealth(Answer):
    """What became of a channel's notifications."""

    waiting: int = Field(description="Not sent yet.")
    failing: int = Field(description="Of these, tried without success.")
    dead: int = Field(description="Given up, of those made in the last 24 hours.")
    last_sent_at: IsoTime | None = Field(description="Newest success of the last 24 hours.")


class Channel(Answer):
    """A channel; its secret is never shown."""

    tenant: str
    channel: str
    kind: str
    about: str
    enabled: bool
    settings: dict[str, Any]
    has_secret: bool
    group_wait_s: GroupWait
    group_wait_critical_s: GroupWaitCritical
    private_allowed: bool = Field(
        description="May reach private addresses and plain http; `millrace channels allow` permits it."
    )
    updated_at: IsoTime
    updated_by: str
    health: ChannelHealth


class ChannelList(Answer):
    """All channels of a tenant."""

    tenant: str
    channels: list[Channel]


class ChannelKindAnswer(Answer):
    """A kind of channel, with JSON Schemas of what it is configured by."""

    kind: str
    about: str
    settings: dict[str, Any]
    secret: dict[str, Any]
    example: dict[str, Any] = Field(description="A channel of this kind, as PUT takes it.")


class ChannelKinds(Answer):
    """The kinds of channels there are."""

    kinds: list[ChannelKindAnswer]


class ChannelTest(Answer):
    """What came of a test message.

    sent: the receiver took it. failed: it may go better later. refused: it would go the same again.
    """

    result: Literal["sent", "failed", "refused"]
    detail: str
    duration_ms: int


class Notification(Answer):
    """One message to one channel about one or more alerts of a rule and site."""

    notification_id: int
    tenant: str
    alert_id: str = Field(description="The earliest of its alerts.")
    rule: str
    site: str
    reason: str
    channel: str
    title: str | None
    alerts: int = Field(description="How many alerts it tells of.")
    state: State
    attempts: int
    next_attempt_at: IsoTime | None = Field(description="Null when there is no more to come.")
    group_wait_s: int = Field(description="Seconds it was held back for more alerts of its rule and site.")
    last_error: str | None
    created_at: IsoTime
    sent_at: IsoTime | None


class NotificationPage(Answer):
    """A page of notifications, newest first; `next_cursor` is null on the last page."""

    tenant: str
    notifications: list[Notification]
    next_cursor: int | None


class Try(Answer):
    """One attempt to deliver; a number that is missing belongs to a notifier that died during it."""

    attempt: int
    started_at: IsoTime
    duration_ms: int
    outcome: Literal["sent", "failed", "refused"]
    detail: str


class NotificationDetail(Notification):
    """A notification with its words and all attempts."""

    text: str | None = Field(description="What it says, in plain text.")
    tries: list[Try]
