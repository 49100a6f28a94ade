"""Kinds of channels: what they accept, what they say, and that secrets stay secret."""

import base64
import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.notifier import postman
from api.notifier.channel_kind import Broker, ChannelSecret, Envelope, Outcome, Reach
from api.notifier.discovery import kind_named, kinds
from api.notifier.http_post import answered, check_url
from api.notifier.kinds.email import EmailSettings, mail
from api.notifier.kinds.mqtt import MqttSettings, messages
from api.notifier.kinds.slack import message
from api.notifier.options import Options
from api.notifier.postman import Addressee, Postman
from api.notifier.seal import Seal, load_seal
from millrace.errors import MillraceError
from millrace.settings import Settings
from udfs.notify.notice import Notice, NoticeAlert, sample_notice

pytestmark = pytest.mark.alerts

NOW_MS = 1_767_225_600_000
SIGNING = "whsec_" + base64.b64encode(bytes(32)).decode()
BROKER = Broker("127.0.0.1", 1, "gateway", "broker-password")
MAIL = {"host": "mail.example.com", "sender": "mill@example.com", "recipients": ["ops@example.com"]}


def envelope(**changed: Any) -> Envelope:
    notice = msgspec.structs.replace(sample_notice("demo", NOW_MS), **changed)
    return Envelope("notification-7", notice, msgspec.to_builtins(notice), NOW_MS, "https://plant.example")


def of(*devices: str) -> tuple[NoticeAlert, ...]:
    first = sample_notice("demo", NOW_MS).alerts[0]
    return tuple(msgspec.structs.replace(first, device_id=device) for device in devices)


def test_the_kinds_are_found() -> None:
    assert sorted(kinds()) == ["email", "mqtt", "slack", "webhook"]
    with pytest.raises(MillraceError, match="pigeon"):
        kind_named("pigeon")


WRONG_SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("webhook", {}),
    ("webhook", {"url": "ftp://example.com"}),
    ("webhook", {"url": "https://"}),
    ("webhook", {"url": "https://user:secret@example.com/"}),
    ("webhook", {"url": "https://example.com\r\nX: y"}),
    ("webhook", {"url": "https://example.com", "urll": "typo"}),
    ("slack", {"url": "https://example.com"}),
    ("mqtt", {"to": "everybody"}),
    ("email", MAIL | {"recipients": []}),
    ("email", MAIL | {"recipients": ["ops@example.com\nBcc: x@example.com"]}),
    ("email", MAIL | {"sender": "nobody"}),
    ("email", MAIL | {"host": "mail.example.com/"}),
    ("email", MAIL | {"tls": "none"}),
    ("email", MAIL | {"port": 0}),
]


@pytest.mark.parametrize(("kind", "settings"), WRONG_SETTINGS)
def test_settings_that_are_wrong_are_refused(kind: str, settings: dict[str, Any]) -> None:
    with pytest.raises(MillraceError, match="settings cannot be used"):
        kind_named(kind).read_settings(settings)


@pytest.mark.parametrize(
    ("kind", "secret"),
    [
        ("webhook", {}),
        ("webhook", {"signing_secret": "hunter2-hunter2"}),
        ("slack", {"url": "ftp://example.com/hunter2-hunter2"}),
        ("mqtt", {"password": "hunter2-hunter2"}),
    ],
)
def test_secrets_that_are_wrong_are_refused_without_being_shown(kind: str, secret: dict[str, Any]) -> None:
    with pytest.raises(MillraceError) as refused:
        kind_named(kind).read_secret(secret)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("user", "password", "fits"),
    [(None, None, True), ("mill", "pw", True), ("mill", None, False), (None, "pw", False)],
)
def test_a_user_and_a_password_belong_together(user: str | None, password: str | None, fits: bool) -> None:
    kind = kind_named("email")
    settings = kind.read_settings(MAIL | {"user": user})
    secret = kind.read_secret({"password": password})
    if fits:
        kind.must_fit(settings, secret)
    else:
        with pytest.raises(MillraceError, match="belong together"):
            kind.must_fit(settings, secret)


def test_no_secret_shows_itself() -> None:
    shown = [repr(kind.secret) + repr(kind_named(kind.name).secret) for kind in kinds().values()]
    secret: ChannelSecret = kind_named("webhook").read_secret({"signing_secret": SIGNING})
    assert SIGNING not in repr(secret) + str(shown) + repr(BROKER) + repr(Reach(False, BROKER))
    assert "broker-password" not in repr(Reach(False, BROKER))


ANSWERS = [
    (200, {}, "sent", None),
    (204, {}, "sent", None),
    (301, {"Location": "http://169.254.169.254/"}, "refused", None),
    (400, {}, "refused", None),
    (401, {}, "failed", None),
    (404, {}, "failed", None),
    (410, {}, "refused", None),
    (429, {"Retry-After": "30"}, "failed", 30.0),
    (429, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, "failed", None),
    (500, {}, "failed", None),
    (503, {"Retry-After": "-1"}, "failed", None),
]


@pytest.mark.parametrize(("status", "headers", "result", "retry_after_s"), ANSWERS)
def test_what_speaks_of_the_message_is_refused_and_all_else_tried_again(
    status: int, headers: dict[str, str], result: str, retry_after_s: float | None
) -> None:
    outcome = answered(status, headers, b"said")
    assert (outcome.result, outcome.retry_after_s) == (result, retry_after_s)
    assert "169.254" not in outcome.detail


def test_what_is_not_encrypted_stays_inside() -> None:
    assert check_url("http://printer.example/hook").host == "printer.example"
    with pytest.raises(MillraceError, match="without encryption"):
        check_url("http://printer.example/hook", private_allowed=False)


def test_a_mail_is_text_and_html_with_one_id_for_all_attempts() -> None:
    recipients = ["ops@example.com", "boss@example.com"]
    settings = msgspec.convert(MAIL | {"recipients": recipients}, EmailSettings)
    first, again = (mail(settings, envelope()._replace(time_ms=NOW_MS + late)) for late in (0, 60_000))
    assert first["Message-ID"] == again["Message-ID"] == "<notification-7@example.com>"
    assert first["References"] == "<alert.000000000000000000000000@example.com>"
    assert first["Subject"].startswith("[TEST] ")
    assert first["To"] == "ops@example.com, boss@example.com"
    assert [part.get_content_type() for part in first.iter_parts()] == ["text/plain", "text/html"]


def test_a_mail_about_a_device_with_a_strange_name_has_no_second_header() -> None:
    made = mail(msgspec.convert(MAIL, EmailSettings), envelope(alerts=of("x\r\nBcc: all@example.com")))
    assert "Bcc" not in made
    assert not [line for line in made.as_bytes().splitlines() if line.startswith(b"Bcc")]


def test_a_chat_message_calls_nobody_by_a_devices_name() -> None:
    made = message(envelope(alerts=of("<!channel>"), site="<!here>"))
    assert "<!" not in str(made)
    assert "&lt;!channel&gt;" in made["attachments"][0]["text"]


def test_a_chat_message_lists_ten_alerts_and_counts_the_rest() -> None:
    made = message(envelope(alerts=of(*(f"d{number}" for number in range(15))), count=23))
    lines = made["attachments"][0]["text"].splitlines()
    assert lines[-1] == "And 13 more."
    assert sum(line.startswith("*d") for line in lines) == 10


TOPICS = [
    ("device", "berlin", ("d1", "d2", "d1"), {"t/demo/d1/alerts": 2, "t/demo/d2/alerts": 1}),
    ("site", "berlin", ("d1", "d2", "d1"), {"s/demo/berlin/alerts": 3}),
    ("site", "", ("d1",), {"t/demo/d1/alerts": 1}),
]


@pytest.mark.parametrize(("to", "site", "devices", "expected"), TOPICS)
def test_alerts_go_back_to_the_device_or_the_site(
    to: Any, site: str, devices: tuple[str, ...], expected: dict[str, int]
) -> None:
    made = dict(messages(MqttSettings(to=to), envelope(alerts=of(*devices), site=site)))
    assert {topic: len(msgspec.json.decode(body)["alerts"]) for topic, body in made.items()} == expected


@pytest.mark.parametrize("name", ["#", "+", "a/b", "a\0b"])
def test_a_name_that_reaches_other_topics_is_refused(name: str) -> None:
    for to, changed in (("device", {"alerts": of(name)}), ("site", {"site": name})):
        with pytest.raises(ValueError, match="topic"):
            list(messages(msgspec.convert({"to": to}, MqttSettings), envelope(**changed)))


def test_a_sealed_secret_opens_for_its_channel_only() -> None:
    seal = Seal(b"A" * 43 + b"=")
    sealed = seal.close("demo", "ops", {"url": "https://example.com/hunter2"})
    assert b"hunter2" not in sealed
    assert seal.open("demo", "ops", sealed) == {"url": "https://example.com/hunter2"}
    assert seal.open("demo", "ops", None) == {}
    other_key = Seal(b"B" * 43 + b"=")
    for thief, tenant, channel in ((seal, "demo", "mine"), (seal, "evil", "ops"), (other_key, "demo", "ops")):
        with pytest.raises(MillraceError, match="cannot be opened"):
            thief.open(tenant, channel, sealed)


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    config = Settings(home=tmp_path)
    sealed = load_seal(config).close("demo", "ops", {"a": "b"})
    assert load_seal(config).open("demo", "ops", sealed) == {"a": "b"}
    assert [(path.name, oct(path.stat().st_mode & 0o777)) for path in config.folder.iterdir()] == [
        ("channel-key", "0o600")
    ]


def test_whatever_a_kind_does_the_postman_has_an_outcome_without_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def repeats(_settings: Any, secret: Any, _envelope: Envelope, _reach: Reach) -> Outcome:
        return Outcome("failed", f"HTTP 500: you sent {secret.url}")

    def breaks(_settings: Any, secret: Any, _envelope: Envelope, _reach: Reach) -> Outcome:
        raise RuntimeError(secret.url)

    seal = Seal(b"A" * 43 + b"=")
    url = "https://hooks.example.com/T0/hunter2"
    whom = Addressee("demo", "ops", "slack", {}, seal.close("demo", "ops", {"url": url}), False)
    sender = Postman(Options("https://plant.example", BROKER), seal)
    notice: Notice = sample_notice("demo", NOW_MS)
    for deliver, said in ((repeats, "HTTP 500: you sent ***"), (breaks, "unexpected RuntimeError")):
        kind = dataclasses.replace(kind_named("slack"), deliver=deliver)
        monkeypatch.setattr(postman, "kind_named", lambda _name, kind=kind: kind)
        outcome = sender.send(whom, "m", msgspec.to_builtins(notice), NOW_MS)
        assert outcome == Outcome("failed", said)
