"""What others know that late readings are judged by, and where alerts go."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from pyiceberg.table import Table

from catalog.known_alerts import KnownAlert, Unconfirmed, confirm_alerts, known_alerts, unconfirmed_alerts
from catalog.migrations import connect
from catalog.registry import Context, context_of
from catalog.rule_store import RuleStore, StoredRule
from jobs.corrections.alert_topic import AlertTopic
from millrace.settings import Settings
from udfs.rules.alerts import AlertChange
from udfs.rules.reading import RuleDevice

MOST_UNCONFIRMED: Final = 1_000


class Asked(NamedTuple):
    """Devices and rules of a tenant, of which alerts are asked that lasted in [from_ms, until_ms]."""

    tenant: str
    devices: Collection[str]
    rules: Collection[str]
    from_ms: int
    until_ms: int


class AlertTables(NamedTuple):
    """Where readings are and what was told of alerts goes."""

    readings: Table
    alert_events: Table


class AlertSources(NamedTuple):
    """Rules of a tenant, devices by `tenant/device_id`, alerts that are known, and how others are told.

    `unconfirmed` are live alerts the stream last spoke of at or before an event time; `confirm` those it
    stands behind.
    """

    rules: Callable[[str], Iterable[StoredRule]]
    devices: Callable[[Collection[str]], Mapping[str, RuleDevice]]
    known: Callable[[Asked], Sequence[KnownAlert]]
    unconfirmed: Callable[[int], Sequence[Unconfirmed]]
    confirm: Callable[[Collection[Unconfirmed]], None]
    tell: Callable[[Sequence[AlertChange]], None]


def alert_sources(config: Settings) -> AlertSources:
    """Return those of a stack; psycopg.Error and KafkaException while they are away."""

    def rules(tenant: str) -> list[StoredRule]:
        with connect(config) as connection:
            return RuleStore(connection, tenant).rules()

    def known(asked: Asked) -> list[KnownAlert]:
        with connect(config) as connection:
            return known_alerts(connection, *asked)

    def unconfirmed(until_ms: int) -> list[Unconfirmed]:
        with connect(config) as connection:
            return unconfirmed_alerts(connection, until_ms, MOST_UNCONFIRMED)

    def confirm(alerts: Collection[Unconfirmed]) -> None:
        with connect(config) as connection:
            confirm_alerts(connection, alerts)

    def devices(owners: Collection[str]) -> dict[str, RuleDevice]:
        return {owner: _device(context) for owner, context in context_of(config, owners).items()}

    tell = AlertTopic(config.address("kafka")).tell
    return AlertSources(rules, devices, known, unconfirmed, confirm, tell)


def _device(context: Context) -> RuleDevice:
    tenant, _, device_id = context.owner.partition("/")
    return RuleDevice(tenant, device_id, context.site, context.profile, context.tags, context.counters)
