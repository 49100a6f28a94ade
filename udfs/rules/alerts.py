"""Alerts as instances: one for each time a rule's condition held on a device."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Literal, NamedTuple

import msgspec

from udfs.rules.condition import Evidence, Severity
from udfs.rules.evaluator import Transition
from udfs.rules.reading import RuleDevice

ChangeKind = Literal["raised", "escalated", "downgraded", "cleared", "withdrawn", "updated"]


class Alert(msgspec.Struct, array_like=True, frozen=True):
    """An alert of a device; times are event times, `rule_version` the one in force when it was raised.

    `evidence` is of when it was raised, or last changed in severity. Fields added later go to the end and
    have defaults.
    """

    alert_id: str
    rule: str
    rule_version: int
    severity: Severity
    onset_ms: int
    raised_ms: int
    evidence: Evidence
    cleared_ms: int | None = None
    shadow: bool = False


class AlertChange(NamedTuple):
    """A row of topic `alerts`: what is new about an alert.

    raised, escalated, downgraded, cleared: what happened at `at_ms`. withdrawn: a reading out of order made
    it untrue, it never was. updated: it is open, with these values; forget an earlier clearing.
    """

    alert_id: str
    tenant: str
    device_id: str
    site: str
    rule: str
    rule_version: int
    kind: ChangeKind
    severity: Severity
    onset_ms: int
    at_ms: int
    shadow: bool
    retroactive: bool
    evidence: Evidence


def alert_id(tenant: str, rule: str, device_id: str, onset_ms: int) -> str:
    """Return the same 24 hex digits for the same alert, however often it is found."""
    return sha256(f"{tenant}/{rule}/{device_id}/{onset_ms}".encode()).hexdigest()[:24]


class Origin(NamedTuple):
    """Which rule, in which version, judges which device."""

    device: RuleDevice
    rule: str
    version: int
    shadow: bool = False


def apply(alerts: list[Alert], transitions: Iterable[Transition], origin: Origin) -> list[AlertChange]:
    """Take transitions of one rule and device into its alerts, and return what to tell.

    The last alert is the open one, if any is.
    """
    told: list[AlertChange] = []
    for one in transitions:
        if one.kind == "raised":
            alerts.append(_raised(one, origin))
        elif one.kind == "cleared":
            alerts[-1] = msgspec.structs.replace(alerts[-1], cleared_ms=one.at_ms)
        else:
            alerts[-1] = msgspec.structs.replace(alerts[-1], severity=one.severity, evidence=one.evidence)
        told.append(change(alerts[-1], origin.device, one.kind, one.at_ms, one.evidence))
    return told


def _raised(one: Transition, origin: Origin) -> Alert:
    device = origin.device
    return Alert(
        alert_id(device.tenant, origin.rule, device.device_id, one.onset_ms),
        origin.rule,
        origin.version,
        one.severity,
        one.onset_ms,
        one.at_ms,
        one.evidence,
        None,
        origin.shadow,
    )


def change(
    alert: Alert, device: RuleDevice, kind: ChangeKind, at_ms: int, evidence: Evidence | None = None
) -> AlertChange:
    """Return what to tell of an alert."""
    return AlertChange(
        alert.alert_id,
        device.tenant,
        device.device_id,
        device.site,
        alert.rule,
        alert.rule_version,
        kind,
        alert.severity,
        alert.onset_ms,
        at_ms,
        alert.shadow,
        False,
        alert.evidence if evidence is None else evidence,
    )


def differences(before: list[Alert], after: list[Alert], device: RuleDevice) -> list[AlertChange]:
    """Return what to tell of alerts that came out differently than was told."""
    kept = {alert.alert_id for alert in after}
    known = {alert.alert_id: alert for alert in before}
    evidence: Evidence = {"reason": "a reading out of order"}
    changes = [
        change(alert, device, "withdrawn", alert.raised_ms, evidence)
        for alert in before
        if alert.alert_id not in kept
    ]
    for alert in after:
        changes += _news(known.get(alert.alert_id), alert, device)
    return changes


def _news(before: Alert | None, after: Alert, device: RuleDevice) -> list[AlertChange]:
    if before == after:
        return []
    changes = []
    if before is None:
        changes.append(change(after, device, "raised", after.raised_ms))
    elif before.cleared_ms is not None or msgspec.structs.replace(after, cleared_ms=None) != before:
        changes.append(change(after, device, "updated", after.raised_ms))
    if after.cleared_ms is not None:
        changes.append(change(after, device, "cleared", after.cleared_ms))
    return changes
