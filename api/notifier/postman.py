"""Takes one notice to its channel, and never raises: whatever goes wrong is an outcome."""

import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from api.notifier.channel_kind import Envelope, Outcome
from api.notifier.destination import naming_permission
from api.notifier.discovery import kind_named
from api.notifier.options import Options
from api.notifier.seal import Seal
from catalog.deliveries import Claim
from millrace.errors import MillraceError
from udfs.notify.notice import parse_notice

_log = logging.getLogger("millrace.notifier")
_MOST_DETAIL = 500
_LEAST_HIDDEN = 4


class Addressee(NamedTuple):
    """A channel as it is stored."""

    tenant: str
    channel: str
    kind: str
    settings: dict[str, Any]
    secret: bytes | None
    private_allowed: bool


class Postman:
    """Delivers notices; may be used from several threads."""

    def __init__(self, options: Options, seal: Seal) -> None:
        self._options = options
        self._seal = seal

    def deliver(self, claim: Claim, now_ms: int) -> Outcome:
        """Deliver a claimed notification; a channel that is switched off takes nothing."""
        if not claim.enabled:
            return Outcome("refused", "the channel is switched off")
        whom = Addressee(
            claim.tenant, claim.channel, claim.kind, claim.settings, claim.secret, claim.private_allowed
        )
        return self.send(whom, f"notification-{claim.notification_id}", claim.payload, now_ms)

    def send(self, whom: Addressee, message_id: str, payload: Any, now_ms: int) -> Outcome:
        """Send a notice's payload; its detail shows nothing of the channel's secret."""
        secret: dict[str, Any] = {}
        try:
            kind = kind_named(whom.kind)
            secret = self._seal.open(whom.tenant, whom.channel, whom.secret)
            envelope = Envelope(message_id, parse_notice(payload), payload, now_ms, self._options.link_root)
            with naming_permission(whom.tenant, whom.channel):
                outcome = kind.deliver(
                    kind.read_settings(whom.settings),
                    kind.read_secret(secret),
                    envelope,
                    self._options.reach(whom.private_allowed),
                )
        except MillraceError as error:
            outcome = Outcome("refused", str(error))
        except Exception as error:  # noqa: BLE001 - one kind's mistake must not end the notifier
            _log.warning("delivery_broke channel=%s/%s error=%r", whom.tenant, whom.channel, type(error))
            outcome = Outcome("failed", f"unexpected {type(error).__name__}")
        return outcome._replace(detail=without_secrets(outcome.detail, secret)[:_MOST_DETAIL])


def without_secrets(detail: str, secret: dict[str, Any]) -> str:
    """Return a detail in which no value of a secret appears: receivers repeat what they were sent."""
    for value in sorted(_values(secret), key=len, reverse=True):
        detail = detail.replace(value, "***")
    return detail


def _values(secret: dict[str, Any]) -> Iterator[str]:
    for value in secret.values():
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        if len(text) >= _LEAST_HIDDEN:
            yield text
