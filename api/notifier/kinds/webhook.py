"""Webhook: the notice as JSON to a URL, signed by the Standard Webhooks specification."""

from typing import Any

import msgspec

from api.notifier.channel_kind import ChannelKind, ChannelSecret, ChannelSettings, Envelope, Outcome, Reach
from api.notifier.http_post import check_url, must_reach, post
from millrace.errors import MillraceError
from udfs.notify.render import text
from udfs.notify.signing import secret_key, signed_headers


class WebhookSettings(ChannelSettings, frozen=True, kw_only=True):
    """Where to; the URL is shown to whoever sees the channel."""

    url: str

    def __post_init__(self) -> None:
        _refuse_wrong(check_url, self.url)


class WebhookSecret(ChannelSecret, frozen=True, kw_only=True):
    """`whsec_` and base64 of 24 to 64 bytes, which the receiver has too."""

    signing_secret: str

    def __post_init__(self) -> None:
        _refuse_wrong(secret_key, self.signing_secret)


def _refuse_wrong(check: Any, value: str) -> None:
    try:
        check(value)
    except MillraceError as error:
        raise ValueError(str(error)) from None


def body(envelope: Envelope) -> bytes:
    """Return what is posted: the notice as the outbox holds it, its title and text, and links."""
    words = envelope.words
    links = [
        {"alert_id": alert.alert_id, "alert": entry.alert_url, "data": entry.data_url}
        for alert, entry in zip(envelope.notice.alerts, words.entries, strict=True)
    ]
    return msgspec.json.encode(
        {
            "type": f"alert.{envelope.notice.reason}",
            "id": envelope.message_id,
            "title": words.title,
            "text": text(words),
            "links": links,
            "data": envelope.payload,
        }
    )


def deliver(settings: WebhookSettings, secret: WebhookSecret, envelope: Envelope, reach: Reach) -> Outcome:
    """POST the notice; each attempt is signed with its own time."""
    content = body(envelope)
    headers = signed_headers(
        secret.signing_secret, envelope.message_id, envelope.time_ms // 1000, content
    ) | {"Content-Type": "application/json", "User-Agent": "Millrace-Notifier/1"}
    return post(settings.url, content, headers, reach.private_allowed)


KIND = ChannelKind(
    name="webhook",
    about="JSON to a URL, signed (Standard Webhooks)",
    example={
        "settings": {"url": "https://hooks.example.com/alerts"},
        "secret": {"signing_secret": "whsec_ZXhhbXBsZS1vZi1hLXNpZ25pbmcta2V5IQ=="},
    },
    settings=WebhookSettings,
    secret=WebhookSecret,
    deliver=deliver,
    must_reach=lambda settings, _secret, reach: must_reach(settings.url, reach.private_allowed),
)
