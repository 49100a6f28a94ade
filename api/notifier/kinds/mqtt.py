"""MQTT: the notice back to where it came from, on the stack's own broker, at QoS 1."""

import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Any, Literal

import msgspec
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from api.notifier.channel_kind import (
    DEADLINE_S,
    Broker,
    ChannelKind,
    ChannelSecret,
    ChannelSettings,
    Envelope,
    Outcome,
    Reach,
)
from millrace.phrases import counted
from udfs.notify.notice import Notice

_SPECIAL = frozenset("/+#\0")
_NOBODY = 16


class MqttSettings(ChannelSettings, frozen=True, kw_only=True):
    """device: each alert on `t/{tenant}/{device}/alerts`. site: all on `s/{tenant}/{site}/alerts`.

    Alerts of a device without a site go to the device either way.
    """

    to: Literal["device", "site"] = "device"


class MqttSecret(ChannelSecret, frozen=True, kw_only=True):
    """Nothing: the notifier has an account of its own."""


class _RefusedError(Exception):
    """The broker does not take this."""


def messages(settings: MqttSettings, envelope: Envelope) -> Iterator[tuple[str, bytes]]:
    """Return what is published, and where; a name that would reach further than its own topic is refused.

    Raises ValueError.
    """
    notice = envelope.notice
    entries = list(zip(notice.alerts, envelope.words.entries, strict=True))
    listed = [{**msgspec.to_builtins(alert), "what": entry.what} for alert, entry in entries]
    if settings.to == "site" and notice.site:
        yield _topic("s", notice.tenant, notice.site), _body(envelope, listed)
        return
    for device_id in dict.fromkeys(alert.device_id for alert in notice.alerts):
        own = [one for one in listed if one["device_id"] == device_id]
        yield _topic("t", notice.tenant, device_id), _body(envelope, own)


def _topic(prefix: str, tenant: str, name: str) -> str:
    if not name or not _SPECIAL.isdisjoint(name):
        raise ValueError(f"{name!r} cannot be part of a topic")
    return f"{prefix}/{tenant}/{name}/alerts"


def _body(envelope: Envelope, alerts: list[dict[str, Any]]) -> bytes:
    notice: Notice = envelope.notice
    return msgspec.json.encode(
        {
            "id": envelope.message_id,
            "reason": notice.reason,
            "rule": notice.rule,
            "about": notice.about,
            "severity": notice.severity,
            "site": notice.site,
            "count": notice.count,
            "alerts": alerts,
        }
    )


def deliver(settings: MqttSettings, _secret: MqttSecret, envelope: Envelope, reach: Reach) -> Outcome:
    """Publish all messages and wait until the broker has acknowledged each."""
    try:
        wanted = list(messages(settings, envelope))
    except ValueError as error:
        return Outcome("refused", str(error))
    try:
        unheard = _publish(reach.broker, wanted, time.monotonic() + DEADLINE_S)
    except (OSError, _RefusedError) as error:
        return Outcome("failed", f"broker: {error}")
    return Outcome(
        "sent", f"no subscriber on {unheard} of {counted(len(wanted), 'topic')}" if unheard else ""
    )


def _publish(broker: Broker, wanted: list[tuple[str, bytes]], until_s: float) -> int:
    answers: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5, reconnect_on_failure=False)
    client.username_pw_set(broker.user, broker.password)
    client.on_connect = lambda _c, _u, _f, reason, _p: answers.put(("connect", reason))
    client.on_disconnect = lambda _c, _u, _f, reason, _p: answers.put(("gone", reason))
    client.on_publish = lambda _c, _u, _mid, reason, _p: answers.put(("publish", reason))
    client.connect_timeout = 5.0
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        _wait(answers, "connect", until_s)
        for topic, body in wanted:
            client.publish(topic, body, qos=1)
        # MQTT 5 says for each message whether the broker took it, and whether anybody heard.
        reasons = [_wait(answers, "publish", until_s) for _ in wanted]
    finally:
        client.disconnect()
        client.loop_stop()
    return sum(reason.value == _NOBODY for reason in reasons)


def _wait(answers: "SimpleQueue[tuple[str, Any]]", wanted: str, until_s: float) -> Any:
    try:
        what, reason = answers.get(timeout=max(0.0, until_s - time.monotonic()))
    except Empty:
        raise _RefusedError("it did not answer in time") from None
    if what != wanted or reason.is_failure:
        raise _RefusedError(f"it said {reason}")
    return reason


KIND = ChannelKind(
    name="mqtt",
    about="Back to the device or the site over the stack's MQTT broker",
    example={"settings": {"to": "device"}},
    settings=MqttSettings,
    secret=MqttSecret,
    deliver=deliver,
)
