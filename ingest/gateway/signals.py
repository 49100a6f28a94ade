"""What the MQTT broker and its clients say of connections: `device-signals`.

Two sources. A device publishes `online` to `t/{tenant}/{device}/status` when it connects, `goodbye`
before it leaves, and leaves `offline` there as its last will; other common words in any case, and JSON
such as `{"state": "offline"}`, mean the same. Mosquitto itself notes who connects and
who goes on `$SYS/broker/log/N`; there a device is a client named `{tenant}/{device}` or `{device}` that
logged in as its tenant.

A signal waits a second: the newest word of a device in that time counts, so that its will and the
broker's notice are one signal and a reconnect none. If our own connection breaks meanwhile they are
dropped: a broker that stops sends the wills of the living.
"""

import logging
import re
from collections.abc import Callable, Collection
from typing import Final, Literal, NamedTuple

from ingest.gateway.edge import ID
from ingest.gateway.producer import Log
from ingest.gateway.split import lenient
from millrace.reading import Reading, encode

TOPIC: Final = "device-signals"
STATUS_SUBSCRIPTION: Final = "$share/gateway/t/+/+/status"
NOTICE_TOPIC: Final = "$SYS/broker/log/N"
HOLD_MS: Final = 1_000
MOST_CLIENTS: Final = 200_000

What = Literal["connected", "disconnected", "lost"]
_MEANINGS: Final[dict[What, str]] = {
    "connected": "online on connected up alive ready true 1",
    "disconnected": "goodbye bye disconnected disconnect shutdown",
    "lost": "offline off lost down dead false 0",
}
_WORDS: Final[dict[str, What]] = {word: what for what, words in _MEANINGS.items() for word in words.split()}
_STATES: Final = frozenset(
    {"state", "status", "connection", "availability", "presence", "online", "connected", "alive"}
)
_MOST_STATUS_BYTES: Final = 4_096
_CAME = re.compile(r"\d+: New client connected from \S+ as (.+) \(p\d, c\d, k\d+, u'([^']+)'\)\.")
# Greedy: whatever a client's name contains, what the broker says of it comes last.
_WENT = re.compile(
    r"\d+: Client (.+) "
    r"(disconnected\.|closed its connection\.|has exceeded timeout, disconnecting\."
    r"|disconnected(?: due to|:) .+)"
)
_log = logging.getLogger(__name__)


class Speaker(NamedTuple):
    """A device as its connection names it."""

    tenant: str
    device_id: str


class Held(NamedTuple):
    """A signal that waits for a newer word of the same device."""

    at_ms: int
    what: What


def read_status(topic: str, payload: bytes) -> tuple[Speaker, What] | None:
    """Return what a message on `t/{tenant}/{device}/status` says, or None when it says nothing."""
    speaker, what = status_speaker(topic), _meaning(payload)
    return None if speaker is None or what is None else (speaker, what)


def status_speaker(topic: str) -> Speaker | None:
    """Return whose status topic this is, or None when it is nobody's."""
    parts = topic.split("/")
    if len(parts) != 4 or (parts[0], parts[3]) != ("t", "status"):
        return None
    return Speaker(parts[1], parts[2]) if ID.match(parts[1]) and ID.match(parts[2]) else None


def _meaning(payload: bytes) -> What | None:
    if len(payload) > _MOST_STATUS_BYTES:
        return None
    try:
        text = payload.decode().strip()
    except UnicodeDecodeError:
        return None
    if text[:1] not in ("{", '"'):
        return _WORDS.get(text.lower())
    try:
        said = lenient.decode(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return _word(said)
    # Two keys that say different things say nothing.
    found = {_word(value) for name, value in said.items() if name.lower() in _STATES}
    return found.pop() if len(found) == 1 else None


def _word(value: object) -> What | None:
    return _WORDS.get(str(value).strip().lower()) if isinstance(value, str | bool | int) else None


def speaker_of(client_id: str, user: str) -> Speaker | None:
    """Return the device a client is: its id, with or without the tenant it logged in as."""
    device_id = client_id.removeprefix(f"{user}/")
    return Speaker(user, device_id) if ID.match(device_id) else None


class Notices:
    """Reads the broker's notices. Who left is named without its user, so who came is remembered.

    Without that anybody could say of a foreign device that it went: a client's name is its own choice.
    """

    def __init__(self, tenants: Collection[str]) -> None:
        self._tenants = tenants
        self._clients: dict[str, Speaker] = {}

    def read(self, payload: bytes) -> tuple[Speaker, What] | None:
        """Return what a notice says of a device, or None."""
        text = payload.decode(errors="replace")
        came = _CAME.fullmatch(text)
        if came:
            return self._came(came[1], came[2])
        went = _WENT.fullmatch(text)
        speaker = self._clients.pop(went[1], None) if went else None
        if went is None or speaker is None:
            return None
        return speaker, "disconnected" if went[2] == "disconnected." else "lost"

    def _came(self, client_id: str, user: str) -> tuple[Speaker, What] | None:
        speaker = speaker_of(client_id, user) if user in self._tenants else None
        self._clients.pop(client_id, None)
        if speaker is None:
            return None
        if len(self._clients) >= MOST_CLIENTS:
            del self._clients[next(iter(self._clients))]
        self._clients[client_id] = speaker
        return speaker, "connected"


class Signals:
    """Takes what comes on the status topics and the broker's log, and hands signals to Kafka."""

    def __init__(self, log: Log, clock: Callable[[], int], tenants: Collection[str]) -> None:
        self._log = log
        self._now_ms = clock
        self._notices = Notices(tenants)
        self._held: dict[Speaker, Held] = {}

    def take(self, topic: str, payload: bytes, *, stored: bool) -> bool:
        """Take a message if it says something of a connection; one that the broker stored before is no news.

        What is left is telemetry, or a status that is not understood and must not be ignored.
        """
        if topic == NOTICE_TOPIC:
            said = self._notices.read(payload)
        elif topic.endswith("/status"):
            said = read_status(topic, payload)
            if said is None and not stored:
                return False
        else:
            return False
        if said is not None and not stored:
            speaker, what = said
            self._held.pop(speaker, None)
            self._held[speaker] = Held(self._now_ms(), what)
        return True

    def release(self) -> None:
        """Hand over what has waited long enough."""
        if not self._held:
            return
        due_ms = self._now_ms() - HOLD_MS
        due = [(speaker, held) for speaker, held in self._held.items() if held.at_ms <= due_ms]
        for speaker, held in due:
            del self._held[speaker]
            self._produce(speaker, held)

    def forget(self) -> None:
        """Drop what waits: our connection to the broker broke."""
        self._held.clear()

    def _produce(self, speaker: Speaker, held: Held) -> None:
        reading = Reading(
            tenant=speaker.tenant,
            device_id=speaker.device_id,
            event_id=f"signal-{held.at_ms}",
            event_time=held.at_ms,
            metrics={"signal": 1.0},
            attributes={"what": held.what},
            received_at=held.at_ms,
            source="signal",
        )
        # A signal is a hint, silence says the same later: one that finds no room is left out.
        if self._log.has_room():
            self._log.produce(TOPIC, reading.key, encode(reading), _answered)


def _answered(error: str | None) -> None:
    if error:
        _log.warning("signal_refused error=%s", error)
