"""Slack and what takes its incoming webhooks (Mattermost, Rocket.Chat): one message with fields."""

from typing import Any

import msgspec

from api.notifier.channel_kind import ChannelKind, ChannelSecret, ChannelSettings, Envelope, Outcome, Reach
from api.notifier.http_post import check_url, must_reach, post
from millrace.errors import MillraceError
from udfs.notify.render import colour
from udfs.notify.wording import Entry

_MOST_SHOWN = 10


class SlackSettings(ChannelSettings, frozen=True, kw_only=True):
    """Nothing: the URL is the secret."""


class SlackSecret(ChannelSecret, frozen=True, kw_only=True):
    """The incoming webhook's URL; whoever knows it can post."""

    url: str

    def __post_init__(self) -> None:
        try:
            check_url(self.url)
        except MillraceError as error:
            raise ValueError(str(error)) from None


def message(envelope: Envelope) -> dict[str, Any]:
    """Return the message; `attachments` rather than blocks, which only Slack itself understands."""
    words = envelope.words
    shown = words.entries[:_MOST_SHOWN]
    more = words.more + len(words.entries) - len(shown)
    lines = [_entry(entry) for entry in shown] + ([f"And {more} more."] if more else [])
    about = [{"title": "Where", "value": _plain(words.where)}, {"title": "Rule", "value": _plain(words.rule)}]
    return {
        "text": _plain(words.lead),
        "attachments": [
            {
                "fallback": _plain(words.title),
                "color": colour(words),
                "title": _plain(words.title),
                "title_link": words.entries[0].alert_url,
                "text": "\n".join(lines),
                "fields": [{**field, "short": True} for field in about],
                "mrkdwn_in": ["text"],
                "ts": envelope.time_ms // 1000,
            }
        ],
    }


def _entry(entry: Entry) -> str:
    links = f"<{_plain(entry.alert_url)}|Alert> <{_plain(entry.data_url)}|Data>"
    return f"*{_plain(entry.device)}*: {_plain(entry.what)}\n{_plain(entry.times)} {links}"


def _plain(text: str) -> str:
    # Else `<!channel>` in a device's name would call everybody.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def deliver(_settings: SlackSettings, secret: SlackSecret, envelope: Envelope, reach: Reach) -> Outcome:
    """Post the message."""
    content = msgspec.json.encode(message(envelope))
    return post(secret.url, content, {"Content-Type": "application/json"}, reach.private_allowed)


KIND = ChannelKind(
    name="slack",
    about="Incoming webhook of Slack, Mattermost or Rocket.Chat",
    example={
        "settings": {},
        "secret": {"url": "https://hooks.slack.com/services/T000/B000/example"},
    },
    settings=SlackSettings,
    secret=SlackSecret,
    deliver=deliver,
    must_reach=lambda _settings, secret, reach: must_reach(secret.url, reach.private_allowed),
)
