"""Alerts of two rules side by side, such as of a shadow and of the rule it may replace."""

from collections.abc import Sequence
from itertools import chain
from typing import Final

from psycopg import Connection

from api.backtest_answers import ComparedAlert, ComparedBoth, ComparedOne, ComparisonAnswer
from api.problems import WrongParameterError
from api.queries.backtests import many, range_fields
from api.queries.timerange import Span
from catalog.rule_alerts import MOST_ALERTS, LastingAlert, lasting_alerts
from catalog.rule_store import RuleStore, StoredRule
from millrace.clock import to_iso
from udfs.rules.comparison import Lasting, Matched, Occasion, match

MOST_INSTANCES: Final = 1000


def compare(connection: Connection, tenant: str, first: str, second: str, span: Span) -> ComparisonAnswer:
    """Compare the alerts of two rules, deleted ones too; NoSuchRuleError, WrongParameterError.

    A shadow is compared from when it began to watch: before, it could not have raised what the other did.
    """
    if first == second:
        raise WrongParameterError("with", "a rule is always as itself", accepted="the name of another rule")
    store = RuleStore(connection, tenant)
    began_ms = max(_watches_since_ms(store.versions(name)) for name in (first, second))
    if began_ms > span.from_ms:
        span = Span(min(began_ms, span.to_ms), span.to_ms)
    alerts = lasting_alerts(connection, tenant, [first, second], *span)
    if len(alerts) > MOST_ALERTS:
        raise WrongParameterError(
            "from", f"more than {MOST_ALERTS:,} alerts lasted in this range", accepted="a shorter range"
        )
    counted = [alert for alert in alerts if alert.onset_ms >= began_ms]
    found = match((_lasting(alert, first) for alert in counted), *span)
    return _answer(tenant, (first, second), span, found, {alert.alert_id: alert for alert in alerts})


def _watches_since_ms(versions: Sequence[StoredRule]) -> int:
    """Return when a rule that is in shadow came into it, epoch milliseconds; 0 for any other."""
    began_ms = 0
    for version in versions:
        if version.state != "shadow":
            break
        began_ms = round(version.updated_at.timestamp() * 1000)
    return began_ms


def _lasting(alert: LastingAlert, first: str) -> Lasting:
    return Lasting(alert.device_id, alert.alert_id, alert.onset_ms, alert.end_ms, alert.rule == first)


def _answer(
    tenant: str, names: tuple[str, str], span: Span, found: Matched, alerts: dict[str, LastingAlert]
) -> ComparisonAnswer:
    both = _both(found.both)
    one = _one(chain.from_iterable(occasion.first for occasion in found.only_first), alerts)
    other = _one(chain.from_iterable(occasion.second for occasion in found.only_second), alerts)
    return ComparisonAnswer(
        tenant=tenant,
        first=names[0],
        second=names[1],
        **range_fields(span),
        says=(
            f"both on {many(both.occasions, 'occasion')}, only {names[0]} {many(one.alerts, 'time')}, "
            f"only {names[1]} {many(other.alerts, 'time')}"
        ),
        both=both,
        only_first=one,
        only_second=other,
        most_instances=MOST_INSTANCES,
    )


def _both(occasions: Sequence[Occasion]) -> ComparedBoth:
    return ComparedBoth(
        occasions=len(occasions),
        devices=len({occasion.device_id for occasion in occasions}),
        first_alerts=sum(len(occasion.first) for occasion in occasions),
        second_alerts=sum(len(occasion.second) for occasion in occasions),
    )


def _one(found: "chain[Lasting]", alerts: dict[str, LastingAlert]) -> ComparedOne:
    own = [alerts[one.alert_id] for one in found]
    return ComparedOne(
        alerts=len(own),
        devices=len({alert.device_id for alert in own}),
        instances=[_instance(alert) for alert in own[:MOST_INSTANCES]],
        truncated=len(own) > MOST_INSTANCES,
    )


def _instance(alert: LastingAlert) -> ComparedAlert:
    return ComparedAlert.model_validate(
        {name: getattr(alert, name) for name in _SAME}
        | {
            "onset": to_iso(alert.onset_ms),
            "cleared": None if alert.end_ms is None else to_iso(alert.end_ms),
            "cleared_ms": alert.end_ms,
        }
    )


_SAME = ("alert_id", "device_id", "rule_version", "severity", "shadow", "onset_ms")
