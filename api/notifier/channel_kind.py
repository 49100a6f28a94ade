"""What a kind of channel is; each module in `api/notifier/kinds/` declares one."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import msgspec

from millrace.errors import MillraceError
from millrace.nearest import did_you_mean
from udfs.notify.notice import Notice
from udfs.notify.wording import Words, words

Result = Literal["sent", "failed", "refused"]


class ChannelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a channel may show of itself; a key it does not know is refused."""


class ChannelSecret(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a channel keeps to itself."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class Envelope(NamedTuple):
    """A notice on its way; `message_id` is the same at every attempt, `time_ms` is the attempt's."""

    message_id: str
    notice: Notice
    payload: Any
    time_ms: int
    link_root: str

    @property
    def words(self) -> Words:
        """The notice in words."""
        return words(self.notice, self.link_root)


class Broker(NamedTuple):
    """The stack's MQTT broker, and whom the notifier is to it."""

    host: str
    port: int
    user: str
    password: str

    def __repr__(self) -> str:
        return f"Broker({self.host}:{self.port})"


class Reach(NamedTuple):
    """What a channel may reach beside the public internet."""

    private_allowed: bool
    broker: Broker


class Outcome(NamedTuple):
    """What came of an attempt.

    sent: the receiver took it. failed: it may go better later. refused: it would go the same again.
    """

    result: Result
    detail: str = ""
    retry_after_s: float | None = None


def _always(_settings: Any, _secret: Any) -> None:
    """Let every secret fit."""


def _anywhere(_settings: Any, _secret: Any, _reach: Any) -> None:
    """Let a channel be that reaches nothing but the stack's own broker."""


Shown = TypeVar("Shown", bound=ChannelSettings)
Hidden = TypeVar("Hidden", bound=ChannelSecret)


@dataclass(frozen=True, kw_only=True)
class ChannelKind(Generic[Shown, Hidden]):
    """A way to tell people; `deliver` sends one notice and never takes longer than DEADLINE_S.

    A secret goes only where it was meant to go: when one of `secret_goes_to` changes it must be given again.
    `must_fit` raises MillraceError when settings and secret contradict each other. `must_reach` raises
    ForbiddenError when the channel must not reach where it leads, UnreachableError when nobody knows now.
    """

    name: str
    about: str
    # What people send to make one; its secret is no real one.
    example: Mapping[str, Any]
    settings: type[Shown]
    secret: type[Hidden]
    deliver: Callable[[Shown, Hidden, Envelope, Reach], Outcome]
    secret_goes_to: tuple[str, ...] = ()
    must_fit: Callable[[Shown, Hidden], None] = _always
    must_reach: Callable[[Shown, Hidden, Reach], None] = _anywhere

    def read_settings(self, data: Any) -> Shown:
        """Read settings from plain values; raise MillraceError naming what is wrong."""
        return _read(data, self.settings, "settings")

    def read_secret(self, data: Any) -> Hidden:
        """Read a secret from plain values; raise MillraceError, which never shows a value."""
        return _read(data, self.secret, "secret")


Read = TypeVar("Read", bound=msgspec.Struct)
# The longest that one delivery may take, whatever the other side does.
DEADLINE_S = 20.0


_UNKNOWN = re.compile(r"unknown field `(.*?)`", re.DOTALL)


def _read(data: Any, shape: type[Read], where: str) -> Read:
    try:
        return msgspec.convert(data, shape)
    except msgspec.ValidationError as error:
        names = shape.__struct_encode_fields__
        fields = ", ".join(names) or "nothing"
        unknown = _UNKNOWN.search(str(error))
        meant = did_you_mean(unknown[1], names) if unknown else ""
        raise MillraceError(
            f"{where} cannot be used: {error}{meant}",
            where=where,
            mend=f"It may hold: {fields}. GET /channel-kinds shows an example.",
        ) from None
