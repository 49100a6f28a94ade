"""Signatures of webhooks by the Standard Webhooks specification (symmetric, `v1`).

The receiver computes HMAC-SHA256 over `id.timestamp.body` with the secret and compares; the timestamp keeps
an old message from being played again, the id is the same at every attempt so that it is taken once.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Final

from millrace.errors import MillraceError

PREFIX: Final = "whsec_"
TOLERANCE_S: Final = 300
_LEAST_BYTES, _MOST_BYTES = 24, 64


def secret_key(secret: str) -> bytes:
    """Return the key in a secret of the form `whsec_` and base64 of 24 to 64 bytes.

    Raises MillraceError, which does not name the secret.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
        raise MillraceError(
            "the signing secret is not `whsec_` and base64 of 24 to 64 bytes",
            where="secret.signing_secret",
            mend="Make one with: echo whsec_$(openssl rand -base64 32)",
        )
    return key


def signed_headers(secret: str, message_id: str, time_s: int, body: bytes) -> dict[str, str]:
    """Return the headers that sign a body; `time_s` is the time of this attempt, epoch seconds."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(time_s),
        "webhook-signature": f"v1,{_signature(secret_key(secret), message_id, str(time_s), body)}",
    }


def is_genuine(secret: str, headers: Mapping[str, str], body: bytes, now_s: int) -> bool:
    """Tell whether a webhook was signed with the secret within the last five minutes: the receiver's side."""
    message_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not stamp.isascii() or not stamp.isdigit() or abs(now_s - int(stamp)) > TOLERANCE_S:
        return False
    wanted = f"v1,{_signature(secret_key(secret), message_id, stamp, body)}".encode()
    given = headers.get("webhook-signature", "").encode().split()
    return any(hmac.compare_digest(wanted, one) for one in given)


def _signature(key: bytes, message_id: str, stamp: str, body: bytes) -> str:
    signed = f"{message_id}.{stamp}.".encode() + body
    return base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
