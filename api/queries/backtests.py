"""A rule over the readings of the lake: what it would have raised."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import BoundedSemaphore
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psycopg import Connection

from api.backtest_answers import BacktestAnswer, BacktestInstance
from api.problems import ProblemError, WrongParameterError
from api.queries.lake_access import open_table
from api.queries.registry_access import open_database
from api.queries.rules import parsed
from api.queries.timerange import Span
from catalog.device_terms import counters_by_device
from catalog.registry_store import Registry
from catalog.rule_store import NoSuchRuleError, RuleStore
from millrace.clock import to_iso
from millrace.settings import Settings
from millrace.unregistered import DEFAULT_PROFILE
from udfs.rules.backtest import Backtest, Fired, Judged, Verdict, passed_until_ms
from udfs.rules.columns import readings_of
from udfs.rules.evaluator import compile_rule
from udfs.rules.look_back import look_back_ms
from udfs.rules.model import Rule
from udfs.rules.population import Population, needs_registry, population
from udfs.rules.reading import RuleDevice

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from catalog.reading_history import Asked, ReadingHistory

MOST_INSTANCES: Final = 1000
# Each holds a processor for seconds and a slice of history in memory.
MOST_AT_ONCE: Final = 2
_room: Final = BoundedSemaphore(MOST_AT_ONCE)


class Tried(NamedTuple):
    """A rule to be tried, its version (None = a draft), and the devices it is about."""

    rule: Rule
    version: int | None
    devices: Population
    counters: Mapping[str, tuple[str, ...]] = {}


class Outcome(NamedTuple):
    """What came of a rule over history."""

    verdict: Verdict
    until_ms: int
    rows_read: int
    snapshot_id: int | None


def backtest(
    config: Settings, tenant: str, name: str, span: Span, version: int | None, draft: dict[str, Any] | None
) -> BacktestAnswer:
    """Judge history by a stored rule or a draft; NoSuchRuleError, WrongRuleError, ProblemError (429, 503)."""
    began_s = perf_counter()
    with open_database(config) as connection:
        tried = _tried(connection, tenant, name, version, draft)
    with _turn(), open_table(config, "readings") as table:
        found = judge(table, tenant, tried, span, MOST_INSTANCES)
    return _answer(tenant, tried, span, found, round((perf_counter() - began_s) * 1000))


def judge(table: "Table", tenant: str, tried: Tried, span: Span, most: int) -> Outcome:
    """Judge the readings of a table and keep `most` instances; memory holds one slice of the readings."""
    from catalog.reading_history import ReadingHistory

    history = ReadingHistory(table, _asked(tenant, tried, span))
    run = Backtest(Judged(tried.rule, tried.version or 0, tenant, *span, tried.counters), most)
    for rows in history.devices():
        run.take(rows.device_id, readings_of(rows.times_ms, rows.metrics, rows.places))
    until_ms = _until_ms(history, span)
    return Outcome(run.finish(until_ms), until_ms, history.rows_read, history.snapshot_id)


def _until_ms(history: "ReadingHistory", span: Span) -> int:
    return passed_until_ms(span.to_ms, history.newest_ms, history.taken_ms)


def _asked(tenant: str, tried: Tried, span: Span) -> "Asked":
    from catalog.reading_history import Asked

    rule = tried.rule
    judges = [compile_rule(rule, RuleDevice(tenant, device_id)) for device_id in ("", *rule.overrides)]
    named = {metric for one in judges for metric in one.metrics}
    return Asked(
        tenant,
        max(0, span.from_ms - look_back_ms(rule)),
        span.to_ms,
        tuple(sorted(named)),
        any(one.located for one in judges),
        any(not one.metrics and not one.located for one in judges),
        *tried.devices,
    )


@contextmanager
def _turn() -> Iterator[None]:
    if not _room.acquire(blocking=False):
        raise ProblemError(
            429,
            "busy",
            f"{MOST_AT_ONCE} backtests are running already.",
            where="backtest",
            mend="Try again when one of them is done.",
        )
    try:
        yield
    finally:
        _room.release()


def _tried(
    connection: Connection, tenant: str, name: str, version: int | None, draft: dict[str, Any] | None
) -> Tried:
    rule, at = (
        (_draft(name, version, draft), None)
        if draft is not None
        else _stored(RuleStore(connection, tenant), name, version)
    )
    registered = _registered(connection, tenant) if needs_registry(rule.scope) else []
    # Only a rule on how fast a metric changes needs to know a reset.
    counters = counters_by_device(connection, tenant) if rule.kind == "rate_of_change" else {}
    return Tried(rule, at, population(tenant, rule.scope, registered), counters)


def _draft(name: str, version: int | None, draft: dict[str, Any]) -> Rule:
    if version is not None:
        raise WrongParameterError("version", "a draft has no version", accepted="a draft or a version")
    rule = parsed(draft)
    if rule.rule != name:
        raise WrongParameterError("rule", f"the rule is named {rule.rule!r}", accepted=f"the name {name!r}")
    return rule


def _stored(store: RuleStore, name: str, version: int | None) -> tuple[Rule, int]:
    if version is None:
        found = store.get(name)
        return parsed(found.definition), found.version
    for one in store.versions(name):
        if one.version == version:
            return parsed(one.definition), version
    raise NoSuchRuleError(
        f"rule {name!r} has no version {version}",
        where="version",
        mend=f"GET /rules/{name}/versions shows those there are.",
    )


def _registered(connection: Connection, tenant: str) -> list[RuleDevice]:
    return [rule_device(row) for row in Registry(connection, tenant).devices()]


def rule_device(row: dict[str, Any]) -> RuleDevice:
    """Return what a scope is matched against, from a device's row in the registry."""
    return RuleDevice(
        row["tenant"],
        row["device_id"],
        row["site"] or "",
        row["profile"] or DEFAULT_PROFILE,
        tuple(row.get("tags") or ()),
    )


def _answer(tenant: str, tried: Tried, span: Span, found: Outcome, took_ms: int) -> BacktestAnswer:
    fired, devices_fired, devices_judged, instances = found.verdict
    return BacktestAnswer(
        tenant=tenant,
        rule=tried.rule.rule,
        version=tried.version,
        kind=tried.rule.kind,
        **range_fields(span),
        passed_until=to_iso(found.until_ms),
        passed_until_ms=found.until_ms,
        look_back_s=look_back_ms(tried.rule) / 1000,
        says=f"would have fired {many(fired, 'time')} on {many(devices_fired, 'device')}",
        fired=fired,
        devices_fired=devices_fired,
        devices_judged=devices_judged,
        rows_read=found.rows_read,
        snapshot_id=None if found.snapshot_id is None else str(found.snapshot_id),
        took_ms=took_ms,
        instances=[_instance(one) for one in instances],
        most_instances=MOST_INSTANCES,
        truncated=fired > len(instances),
    )


def _instance(fired: Fired) -> BacktestInstance:
    alert = fired.alert
    return BacktestInstance(
        device_id=fired.device_id,
        severity=alert.severity,
        onset=to_iso(alert.onset_ms),
        onset_ms=alert.onset_ms,
        raised=to_iso(alert.raised_ms),
        raised_ms=alert.raised_ms,
        cleared=None if alert.cleared_ms is None else to_iso(alert.cleared_ms),
        cleared_ms=alert.cleared_ms,
        evidence=alert.evidence,
    )


def range_fields(span: Span) -> dict[str, Any]:
    """Return a range as answers have it."""
    return {
        "from": to_iso(span.from_ms),
        "from_ms": span.from_ms,
        "to": to_iso(span.to_ms),
        "to_ms": span.to_ms,
    }


def many(count: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
