"""Mail through a real SMTP server: plain, encrypted, with an account, and servers that say no."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.notifier import http_post
from api.notifier.channel_kind import Envelope, Outcome, Reach
from api.notifier.destination import ForbiddenError
from api.notifier.discovery import kind_named
from api.notifier.kinds import email
from tests.integration.notify_services import NO_BROKER, Receiver
from udfs.notify.notice import sample_notice

_REASON = "aiosmtpd, the SMTP server of these tests, is not installed"
controllers = pytest.importorskip("aiosmtpd.controller", reason=_REASON)
smtp = pytest.importorskip("aiosmtpd.smtp", reason=_REASON)
pytestmark = [pytest.mark.integration, pytest.mark.alerts]
NOW_MS = 1_767_225_600_000
INSIDE = Reach(True, NO_BROKER)


class Inbox:
    """What an SMTP server took; `says` is what it answers to a recipient."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.encrypted: list[bool] = []
        self.says = "250 OK"

    async def handle_RCPT(  # noqa: N802 - the server's name for it
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.says.startswith("250") or address != "ops@example.com":
            envelope.rcpt_tos.append(address)
            return "250 OK"
        return self.says

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        self.encrypted.append(session.ssl is not None)
        return "250 taken"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
        assert isinstance(data, smtp.LoginPassword)
        self.logins.append((data.login, data.password))
        return smtp.AuthResult(success=data.password == b"open sesame", handled=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"), "localhost")


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begins = datetime.now(UTC) - timedelta(hours=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}.key"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files


def server_tls(files: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


@pytest.fixture
def trusting(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context(cafile=str(certificate[0]))
    for module in (email, http_post):
        monkeypatch.setattr(module, "trusted", lambda: context)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def plain(inbox: Inbox) -> Iterator[int]:
    yield from serve(inbox)


@pytest.fixture
def encrypting(inbox: Inbox, certificate: tuple[Path, Path]) -> Iterator[int]:
    yield from serve(
        inbox, tls_context=server_tls(certificate), authenticator=inbox.authenticate, require_starttls=True
    )


def serve(inbox: Inbox, **options: Any) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    controller = controllers.Controller(inbox, hostname="127.0.0.1", port=port, **options)
    controller.start()
    yield port
    controller.stop()


def send(port: int, *, reach: Reach = INSIDE, password: str | None = None, **changed: Any) -> Outcome:
    kind = kind_named("email")
    given = {
        "host": "localhost",
        "port": port,
        "sender": "mill@example.com",
        "recipients": ["ops@example.com"],
    }
    notice = sample_notice("demo", NOW_MS)
    envelope = Envelope(
        "notification-7", notice, msgspec.to_builtins(notice), NOW_MS, "https://plant.example"
    )
    secret = kind.read_secret({"password": password} if password else {})
    return kind.deliver(kind.read_settings(given | changed), secret, envelope, reach)


def test_a_mail_arrives_with_text_and_html(inbox: Inbox, plain: int) -> None:
    assert send(plain).result == "sent"
    [mail] = inbox.mails
    assert (
        mail["Subject"]
        == "[TEST] This is a test of the channel; nothing is wrong: example-device at example-site"
    )
    assert mail["Message-ID"] == "<notification-7@example.com>"
    assert mail["Date"] == "Thu, 01 Jan 2026 00:00:00 +0000"
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert "temperature_c is 96.4, above the limit of 90, for at least 1 min" in text.get_content()
    assert "<strong>example-device</strong>" in html.get_content()


def test_encryption_is_used_when_offered_and_the_password_only_then(
    inbox: Inbox, encrypting: int, trusting: None
) -> None:
    assert send(encrypting, user="mill", password="open sesame").result == "sent"
    assert inbox.encrypted == [True]
    assert inbox.logins == [(b"mill", b"open sesame")]


def test_a_wrong_password_may_be_mended_while_the_mail_waits(
    inbox: Inbox, encrypting: int, trusting: None
) -> None:
    outcome = send(encrypting, user="mill", password="guess")
    assert outcome.result == "failed"
    assert "535" in outcome.detail
    assert inbox.mails == []


@pytest.mark.parametrize("changed", [{"tls": "required"}, {"user": "mill", "password": "open sesame"}])
def test_nothing_secret_goes_to_a_server_without_encryption(
    inbox: Inbox, plain: int, changed: dict[str, Any]
) -> None:
    outcome = send(plain, **changed)
    assert outcome.result == "refused"
    assert "STARTTLS" in outcome.detail
    assert (inbox.mails, inbox.logins) == ([], [])


def test_a_server_nobody_vouches_for_gets_nothing(inbox: Inbox, encrypting: int) -> None:
    outcome = send(encrypting)
    assert outcome.result == "failed"
    assert "certificate" in outcome.detail.lower()
    assert inbox.mails == []


def test_a_certificate_must_be_of_the_servers_name(inbox: Inbox, encrypting: int, trusting: None) -> None:
    assert send(encrypting, host="127.0.0.1").result == "failed"
    assert inbox.mails == []


ANSWERS = [
    ("550 no such person", ["ops@example.com"], "refused", 0),
    ("450 come back later", ["ops@example.com"], "failed", 0),
    ("550 no such person", ["ops@example.com", "boss@example.com"], "sent", 1),
]


@pytest.mark.parametrize(("says", "recipients", "result", "mails"), ANSWERS)
def test_what_a_server_says_of_recipients_decides(
    inbox: Inbox, plain: int, says: str, recipients: list[str], result: str, mails: int
) -> None:
    inbox.says = says
    outcome = send(plain, recipients=recipients)
    assert (outcome.result, len(inbox.mails)) == (result, mails)
    if result == "sent":
        assert outcome.detail == "not taken for ops@example.com"


def test_a_tenants_mail_server_must_be_outside(inbox: Inbox, plain: int) -> None:
    with pytest.raises(ForbiddenError, match="is not to be reached"):
        send(plain, reach=Reach(False, NO_BROKER))
    assert inbox.mails == []


def test_nobody_there_is_a_failure_that_may_pass() -> None:
    assert send(1).result == "failed"


def test_a_server_that_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email, "DEADLINE_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            link, _ = listener.accept()
            with link:
                for _ in range(100):
                    try:
                        link.sendall(b"2")
                    except OSError:
                        return
                    time.sleep(0.1)

        threading.Thread(target=drip, daemon=True).start()
        began_s = time.monotonic()
        outcome = send(listener.getsockname()[1])
        assert outcome.result == "failed"
        assert time.monotonic() - began_s < 4


@pytest.fixture
def secure_receiver(certificate: tuple[Path, Path]) -> Iterator[Receiver]:
    found = Receiver()
    found._server.socket = server_tls(certificate).wrap_socket(found._server.socket, server_side=True)
    yield found
    found.close()


def test_https_goes_to_the_address_looked_up_and_checks_the_name(
    secure_receiver: Receiver, trusting: None
) -> None:
    url = f"https://localhost:{secure_receiver.port}/ops?x=1"
    assert http_post.post(url, b"{}", {}, True) == Outcome("sent", "HTTP 200")
    [request] = secure_receiver.requests
    assert request.path == "/ops?x=1"
    assert request.headers["host"] == f"localhost:{secure_receiver.port}"
    by_address = http_post.post(f"https://127.0.0.1:{secure_receiver.port}/ops", b"{}", {}, True)
    assert by_address.result == "failed"
    assert "certificate" in by_address.detail.lower()
    assert len(secure_receiver.requests) == 1
