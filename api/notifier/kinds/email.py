"""Email by SMTP: text and HTML, one thread for each alert."""

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from threading import Timer
from typing import Annotated, Any, Literal

import msgspec

from api.notifier.channel_kind import (
    DEADLINE_S,
    ChannelKind,
    ChannelSecret,
    ChannelSettings,
    Envelope,
    Outcome,
    Reach,
)
from api.notifier.destination import Destination, UnreachableError, look_up, trusted
from millrace.errors import MillraceError
from udfs.notify.render import html, text

_ANSWER_S = 10.0
Address = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+\Z", max_length=254)
]
Host = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9.:-]{1,253}\Z")]


class EmailSettings(ChannelSettings, frozen=True, kw_only=True):
    """Where and by which server.

    `tls`: offered = STARTTLS when the server offers it; required = that or not at all; implicit = from the
    first byte (port 465).
    """

    host: Host
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 587
    tls: Literal["offered", "required", "implicit"] = "offered"
    sender: Address
    recipients: Annotated[tuple[Address, ...], msgspec.Meta(min_length=1, max_length=50)]
    user: Annotated[str, msgspec.Meta(pattern=r"^[ -~]{1,254}\Z")] | None = None


class EmailSecret(ChannelSecret, frozen=True, kw_only=True):
    """The password of `user`; it is only ever sent encrypted."""

    password: str | None = None


class _NotEncryptedError(Exception):
    """The server offers no encryption where it is needed."""


def mail(settings: EmailSettings, envelope: Envelope) -> EmailMessage:
    """Return the mail; its id is the same at every attempt, so that mail programs show it once."""
    words = envelope.words
    domain = settings.sender.partition("@")[2]
    made = EmailMessage()
    made["Subject"] = words.title
    made["From"] = settings.sender
    made["To"] = ", ".join(settings.recipients)
    made["Date"] = format_datetime(datetime.fromtimestamp(envelope.time_ms // 1000, UTC))
    made["Message-ID"] = f"<{envelope.message_id}@{domain}>"
    made["References"] = f"<alert.{envelope.notice.alerts[0].alert_id}@{domain}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(text(words))
    made.add_alternative(html(words), subtype="html")
    return made


def deliver(settings: EmailSettings, secret: EmailSecret, envelope: Envelope, reach: Reach) -> Outcome:
    """Hand the mail to the server."""
    try:
        destination = look_up(settings.host, settings.port, reach.private_allowed)
        return _send(settings, secret, mail(settings, envelope), destination)
    except (_NotEncryptedError, smtplib.SMTPNotSupportedError) as error:
        return Outcome("refused", str(error))
    except smtplib.SMTPRecipientsRefused as error:
        return _answered(*next(iter(error.recipients.values())))
    except smtplib.SMTPAuthenticationError as error:
        # It speaks of the account, which may be mended while the mail waits.
        return Outcome("failed", _said(error.smtp_code, error.smtp_error))
    except smtplib.SMTPResponseException as error:
        return _answered(error.smtp_code, error.smtp_error)
    except (OSError, UnreachableError) as error:
        return Outcome("failed", f"{settings.host}: {str(error) or type(error).__name__}")


def _answered(code: int, error: bytes | str) -> Outcome:
    return Outcome("refused" if code >= 500 else "failed", _said(code, error))


def _said(code: int, error: bytes | str) -> str:
    said = error.decode("utf-8", "replace") if isinstance(error, bytes) else error
    return f"SMTP {code}: {' '.join(said.split())[:200]}"


def _send(
    settings: EmailSettings, secret: EmailSecret, message: EmailMessage, destination: Destination
) -> Outcome:
    with _connected(settings, destination) as server:
        server.ehlo_or_helo_if_needed()
        if settings.tls != "implicit":
            _encrypt(server, settings)
        if settings.user is not None and secret.password is not None:
            server.login(settings.user, secret.password)
        left_out = server.send_message(message)
    if left_out:
        return Outcome("sent", f"not taken for {', '.join(sorted(left_out))}")
    return Outcome("sent", f"taken for {len(settings.recipients)}")


def _encrypt(server: smtplib.SMTP, settings: EmailSettings) -> None:
    if server.has_extn("starttls"):
        server.starttls(context=trusted())
        server.ehlo()
    elif settings.tls == "required" or settings.user is not None:
        raise _NotEncryptedError(f"{settings.host} offers no STARTTLS, and nothing secret goes in clear")


class _Pinned(smtplib.SMTP):
    """SMTP to addresses that were looked up before; certificates must be those of the name."""

    def __init__(self, destination: Destination, context: ssl.SSLContext | None, own_name: str) -> None:
        self._destination, self._context = destination, context
        super().__init__(local_hostname=own_name, timeout=_ANSWER_S)
        self._host = destination.host

    def _get_socket(self, host: str, port: int, timeout: Any) -> socket.socket:
        failure: OSError | None = None
        for address in self._destination.addresses:
            try:
                link = socket.create_connection((address, port), timeout)
            except OSError as error:
                failure = error
            else:
                return self._context.wrap_socket(link, server_hostname=host) if self._context else link
        raise failure or OSError("the host has no address")


@contextmanager
def _connected(settings: EmailSettings, destination: Destination) -> Iterator[smtplib.SMTP]:
    own_name = settings.sender.partition("@")[2]
    server = _Pinned(destination, trusted() if settings.tls == "implicit" else None, own_name)
    # Each answer has its own time limit; a server that drips answers is cut off here.
    end = Timer(DEADLINE_S, lambda: _cut(server))
    end.start()
    try:
        server.connect(destination.host, destination.port)
        yield server
        # The mail is taken already: a server that is rude at the end must not make us send it again.
        with suppress(OSError):
            server.quit()
    finally:
        end.cancel()
        server.close()


def _cut(server: smtplib.SMTP) -> None:
    link = server.sock
    if link is not None:
        with suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)


def _must_reach(settings: EmailSettings, _secret: EmailSecret, reach: Reach) -> None:
    look_up(settings.host, settings.port, reach.private_allowed)


def _must_fit(settings: EmailSettings, secret: EmailSecret) -> None:
    if (settings.user is None) != (secret.password is None):
        raise MillraceError(
            "a user and a password belong together",
            where="secret.password",
            mend="Give both settings.user and secret.password, or neither.",
        )


KIND = ChannelKind(
    name="email",
    about="Mail by SMTP",
    example={
        "settings": {
            "host": "mail.example.com",
            "sender": "millrace@example.com",
            "recipients": ["ops@example.com"],
            "user": "millrace",
        },
        "secret": {"password": "example"},
    },
    settings=EmailSettings,
    secret=EmailSecret,
    deliver=deliver,
    secret_goes_to=("host", "port", "user"),
    must_fit=_must_fit,
    must_reach=_must_reach,
)
