"""Channels for people: checked by their kind, secrets sealed on the way in and never on the way out."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache
from typing import Any

import msgspec

from api.channel_answers import (
    Channel,
    ChannelHealth,
    ChannelKindAnswer,
    ChannelKinds,
    ChannelList,
    ChannelRequest,
    ChannelTest,
)
from api.notifier.destination import UnreachableError, naming_permission
from api.notifier.discovery import AnyKind, kind_named, kinds
from api.notifier.options import options
from api.notifier.postman import Addressee, Postman
from api.notifier.seal import Seal, load_seal
from api.problems import ProblemError
from api.queries.registry_access import iso, moment, open_database, open_for_writing
from api.queries.rule_kinds import struct_schema
from catalog import channel_store
from catalog.channel_store import (
    ChannelEntry,
    ChannelInUseError,
    ChannelStore,
    NoSuchChannelError,
    StoredChannel,
)
from millrace.clock import to_iso
from millrace.errors import MillraceError
from millrace.settings import Settings
from udfs.notify.notice import sample_notice

_HEALTH_OF = timedelta(hours=24)


@contextmanager
def open_channels(
    config: Settings, tenant: str, *, writing: bool = False, may_create: bool = False
) -> Iterator[ChannelStore]:
    """Open a tenant's channels for one request; errors become problems (404, 409, 422, 503)."""
    opened = open_for_writing(config, tenant, may_create) if writing else open_database(config)
    with opened as connection:
        try:
            yield ChannelStore(connection, tenant)
        except NoSuchChannelError as error:
            raise _problem(404, "unknown-channel", error) from None
        except ChannelInUseError as error:
            raise _problem(409, "channel-in-use", error) from None


def _problem(status: int, kind: str, error: MillraceError) -> ProblemError:
    return ProblemError(status, kind, f"{error.what}.", where=error.where, mend=error.mend)


def list_channels(store: ChannelStore, now_ms: int) -> ChannelList:
    """Return all channels and how they fare."""
    health = store.health(moment(now_ms) - _HEALTH_OF)
    nothing = channel_store.ChannelHealth()
    found = [_answer(channel, health.get(channel.channel, nothing)) for channel in store.channels()]
    return ChannelList(tenant=store.tenant, channels=found)


def show(store: ChannelStore, channel: str, now_ms: int) -> Channel:
    """Return one channel; NoSuchChannelError."""
    stored = store.get(channel)
    health = store.health(moment(now_ms) - _HEALTH_OF)
    return _answer(stored, health.get(channel, channel_store.ChannelHealth()))


def _answer(stored: StoredChannel, health: channel_store.ChannelHealth) -> Channel:
    return Channel(
        tenant=stored.tenant,
        channel=stored.channel,
        kind=stored.kind,
        about=stored.about,
        enabled=stored.enabled,
        settings=stored.settings,
        has_secret=stored.secret is not None,
        group_wait_s=stored.group_wait_s,
        group_wait_critical_s=stored.group_wait_critical_s,
        private_allowed=stored.private_allowed,
        updated_at=to_iso(round(stored.updated_at.timestamp() * 1000)),
        updated_by=stored.updated_by,
        health=ChannelHealth(**health._asdict() | {"last_sent_at": iso(health.last_sent_at)}),
    )


def put(
    config: Settings, store: ChannelStore, channel: str, asked: ChannelRequest, user: str, now_ms: int
) -> bool:
    """Set all of a channel and tell whether it is new; ProblemError (422) says what is wrong."""
    try:
        entry = _entry(config, store, channel, asked)
    except MillraceError as error:
        raise _problem(422, "wrong-channel", error) from None
    return store.put(entry, user, moment(now_ms))


def _entry(config: Settings, store: ChannelStore, channel: str, asked: ChannelRequest) -> ChannelEntry:
    kind, seal = kind_named(asked.kind), load_seal(config)
    settings = kind.read_settings(asked.settings)
    shown = msgspec.to_builtins(settings)
    known = store.find(channel)
    given = asked.secret
    if given is None:
        given = _kept(seal, kind, known, shown)
    secret = kind.read_secret(given)
    kind.must_fit(settings, secret)
    reach = options(config).reach(store.allows_private(channel))
    with naming_permission(store.tenant, channel), suppress(UnreachableError):
        kind.must_reach(settings, secret, reach)
    hidden = {name: value for name, value in msgspec.to_builtins(secret).items() if value is not None}
    sealed = seal.close(store.tenant, channel, hidden) if hidden else None
    if known is not None and asked.secret is None and known.kind == kind.name:
        sealed = known.secret
    return ChannelEntry(
        channel=channel,
        kind=kind.name,
        about=asked.about,
        settings=shown,
        secret=sealed,
        enabled=asked.enabled,
        group_wait_s=asked.group_wait_s,
        group_wait_critical_s=asked.group_wait_critical_s,
    )


def _kept(seal: Seal, kind: AnyKind, known: StoredChannel | None, shown: dict[str, Any]) -> dict[str, Any]:
    if known is None or known.kind != kind.name or known.secret is None:
        return {}
    moved = [name for name in kind.secret_goes_to if known.settings.get(name) != shown.get(name)]
    if moved:
        # Else whoever may change a channel could have its secret sent to a server of theirs.
        raise MillraceError(
            f"the secret was given for another {' and '.join(moved)}",
            where="secret",
            mend="Give it again for the new one.",
        )
    return seal.open(known.tenant, known.channel, known.secret)


def test(config: Settings, tenant: str, channel: str, user: str, now_ms: int) -> ChannelTest:
    """Send a test message through a channel now, by the code that sends alerts."""
    with open_channels(config, tenant) as store:
        stored = store.get(channel)
    notice = msgspec.to_builtins(sample_notice(tenant, now_ms))
    whom = Addressee(tenant, channel, stored.kind, stored.settings, stored.secret, stored.private_allowed)
    began_s = time.perf_counter()
    postman = Postman(options(config), load_seal(config))
    outcome = postman.send(whom, f"test-{now_ms}", notice, now_ms)
    duration_ms = round((time.perf_counter() - began_s) * 1000)
    with open_channels(config, tenant) as store:
        store.note(channel, "test", {"result": outcome.result}, user, moment(now_ms))
    return ChannelTest(result=outcome.result, detail=outcome.detail, duration_ms=duration_ms)


@cache
def list_kinds() -> ChannelKinds:
    """Return the kinds of channels and what each is configured by."""
    return ChannelKinds(
        kinds=[
            ChannelKindAnswer(
                kind=kind.name,
                about=kind.about,
                settings=struct_schema(kind.settings),
                secret=struct_schema(kind.secret),
                example={"kind": kind.name, **kind.example},
            )
            for kind in kinds().values()
        ]
    )
