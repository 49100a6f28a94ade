"""Seals channels' secrets for PostgreSQL, with a key that only this machine's folder of the stack has."""

import os
from pathlib import Path
from typing import Any

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from millrace.errors import MillraceError
from millrace.settings import Settings


class _Sealed(msgspec.Struct, frozen=True):
    """A secret and the channel it belongs to: moved to another one it does not open."""

    owner: str
    secret: dict[str, Any]

    def __repr__(self) -> str:
        return f"_Sealed({self.owner})"


class Seal:
    """Encrypts secrets, each for one channel."""

    def __init__(self, key: bytes) -> None:
        self._box = Fernet(key)

    def close(self, tenant: str, channel: str, secret: dict[str, Any]) -> bytes:
        """Encrypt a channel's secret."""
        return self._box.encrypt(msgspec.json.encode(_Sealed(f"{tenant}/{channel}", secret)))

    def open(self, tenant: str, channel: str, sealed: bytes | None) -> dict[str, Any]:
        """Decrypt a channel's secret; without one it is empty.

        Raises MillraceError when it was sealed with another key or for another channel.
        """
        if sealed is None:
            return {}
        try:
            found = msgspec.json.decode(self._box.decrypt(sealed), type=_Sealed)
        except (InvalidToken, msgspec.DecodeError):
            found = None
        if found is None or found.owner != f"{tenant}/{channel}":
            raise MillraceError(
                f"the secret of channel {channel!r} cannot be opened with this stack's key",
                where="channel.secret",
                mend="PUT the channel again with its secret.",
            )
        return found.secret


def load_seal(config: Settings) -> Seal:
    """Read the stack's key, made at the first call."""
    path = config.folder / "channel-key"
    if not path.exists():
        _make(path)
    return Seal(path.read_bytes())


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(Fernet.generate_key())
        file.flush()
        os.fsync(file.fileno())
    try:
        # Of two processes that begin together one wins, and both read its whole key.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
