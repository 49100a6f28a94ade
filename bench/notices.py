"""A channel of a trial: a real HTTP receiver of this machine, which the channel may reach."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import httpx
import msgspec

from bench.stored import wait_until
from catalog.channel_store import ChannelStore
from catalog.migrations import connect
from millrace.settings import Settings
from tests.integration.notify_services import SIGNING, Receiver

# Nothing more is on its way when nothing came for so long: a delivery that failed is tried again after 5 s.
_QUIET_S: Final = 15.0
_TIMEOUT_S: Final = 30.0


class Notice(NamedTuple):
    """What a request told: the id of its message, why, and of which alert."""

    message_id: str
    reason: str
    alert_id: str


class Channel:
    """What a channel's receiver got."""

    def __init__(self, name: str, receiver: Receiver) -> None:
        self.name = name
        self._receiver = receiver

    def notices(self) -> list[Notice]:
        """Return what was told so far, an entry for each alert of each request."""
        return [notice for request in list(self._receiver.requests) for notice in _notices(request.body)]

    def wait_raised(self, alerts: int, patience_s: float) -> list[Notice]:
        """Return the notices once so many alerts were told and all is quiet, or nothing came for long."""
        wait_until(lambda: (len(self._raised()),), (alerts,), patience_s)
        count = -1
        while count != len(self._receiver.requests):
            count = len(self._receiver.requests)
            time.sleep(_QUIET_S)
        return self.notices()

    def _raised(self) -> set[str]:
        return {notice.alert_id for notice in self.notices() if notice.reason == "raised"}


def _notices(body: bytes) -> Iterator[Notice]:
    said: dict[str, Any] = msgspec.json.decode(body)
    for alert in said["data"]["alerts"]:
        yield Notice(said["id"], said["data"]["reason"], alert["alert_id"])


@contextmanager
def channel(settings: Settings, name: str) -> Iterator[Channel]:
    """Make a webhook channel that leads to a receiver here; it is deleted at the end.

    A notifier with leave to reach this machine takes the place of the stack's meanwhile.
    """
    receiver = Receiver()
    place, tenant = f"http://{settings.address('api')}/channels/{name}", {"tenant": settings.tenant}
    asked = {
        "kind": "webhook",
        "settings": {"url": receiver.url(name)},
        "secret": {"signing_secret": SIGNING},
    }
    try:
        with connect(settings) as registry:
            ChannelStore(registry, settings.tenant).set_private(name, True, "bench", datetime.now(UTC))
        httpx.put(place, json=asked, params=tenant, timeout=_TIMEOUT_S).raise_for_status()
        yield Channel(name, receiver)
        httpx.delete(place, params=tenant, timeout=_TIMEOUT_S).raise_for_status()
    finally:
        receiver.close()


def judge_notices(notices: list[Notice], alert_ids: set[str]) -> list[str]:
    """Say which alerts were told twice for the same reason, never told, or told and never were."""
    times = Counter((notice.alert_id, notice.reason) for notice in notices)
    again = sorted(name for name, count in times.items() if count > 1)
    raised = {alert_id for alert_id, reason in times if reason == "raised"}
    found = (
        ("were told twice for the same reason", again),
        ("were never told", sorted(alert_ids - raised)),
        ("were told and never were", sorted({alert_id for alert_id, _ in times} - alert_ids)),
    )
    return [f"{len(names)} alerts {what}: {names[:5]}" for what, names in found if names]
