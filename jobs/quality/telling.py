"""Alerts of data quality: a suite that fails is one alert of its table, over when all of it passes."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from catalog.quality.episodes import Episode, newest_episode
from catalog.quality.results import Outcome
from catalog.quality.show import day_text
from catalog.quality.suite import Suite
from udfs.rules.alerts import AlertChange, alert_id
from udfs.rules.condition import Severity

METRIC: Final = "failed_checks"
_MOST_NAMED: Final = 10


class Followed(NamedTuple):
    """The rule that says who is told, and at which severity; version 0 is none."""

    version: int
    severity: Severity
    shadow: bool


def rule_of(suite: Suite) -> str:
    """Return the name of the rule a suite's alerts go by."""
    return f"quality-{suite.name.replace('_', '-')}"


def device_of(suite: Suite) -> str:
    """Return what stands in for the device."""
    return f"table:{suite.table}"


def changes_of(suite: Suite, found: Iterable[Outcome], tenant: str, followed: Followed) -> list[AlertChange]:
    """Return all there is to tell of a suite's newest alert, oldest first.

    It follows from what was recorded alone, so it is the same however often it is asked.
    """
    episode = newest_episode(found, suite.name)
    if episode is None:
        return []
    raised = _raised(suite, episode, tenant, followed)
    told = [raised]
    if episode.changed_ms > episode.from_ms:
        told.append(raised._replace(kind="updated", at_ms=episode.changed_ms))
    if episode.until_ms is not None:
        told.append(raised._replace(kind="cleared", at_ms=episode.until_ms))
    return told


def _raised(suite: Suite, episode: Episode, tenant: str, followed: Followed) -> AlertChange:
    rule, device = rule_of(suite), device_of(suite)
    return AlertChange(
        alert_id=alert_id(tenant, rule, device, episode.from_ms),
        tenant=tenant,
        device_id=device,
        site="",
        rule=rule,
        rule_version=followed.version,
        kind="raised",
        severity=followed.severity,
        onset_ms=episode.from_ms,
        at_ms=episode.from_ms,
        shadow=followed.shadow,
        retroactive=False,
        evidence={
            "metric": METRIC,
            "value": float(len(episode.failed)),
            "limit": 0.0,
            "checks": _named(episode.failed),
        },
    )


def _named(failed: Sequence[tuple[str, int]]) -> str:
    named = [f"{check} of {day_text(day_ms)}" for check, day_ms in failed[:_MOST_NAMED]]
    more = len(failed) - len(named)
    return ", ".join([*named, *([f"{more} more"] if more else [])])
