"""Which of the alerts that late readings raise must still be told."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from catalog.known_alerts import KnownAlert
from udfs.rules.alerts import AlertChange


class Told(NamedTuple):
    """What the history says of some alerts: those that the stream told, and what we told of others.

    `changes` are (alert_id, kind, at_ms).
    """

    live: frozenset[str] = frozenset()
    changes: frozenset[tuple[str, str, int]] = frozenset()


class Found(NamedTuple):
    """Changes of alerts that late readings of a device raise by a rule, judged from `from_ms` on."""

    changes: Sequence[AlertChange]
    from_ms: int


def to_tell(found: Iterable[Found], known: Sequence[KnownAlert], told: Told) -> list[AlertChange]:
    """Return the changes nobody was told of yet; those of one alert stay in order.

    An alert that the stream told stays as it told it. One that began before the first reading judged is known
    better by the stream: what lies within it is no alert of its own.
    """
    live = told.live | {alert.alert_id for alert in known if not alert.retroactive}
    wanted = [
        change
        for one in found
        for alert in _alerts(one.changes)
        if alert[0].alert_id not in live and not _is_within(alert[0], one.from_ms, known)
        for change in _untold(alert, told)
    ]
    # Two runs may find the same.
    return list({(change.alert_id, change.kind, change.at_ms): change for change in wanted}.values())


def _alerts(changes: Sequence[AlertChange]) -> Iterator[list[AlertChange]]:
    # A rule has one alert at a time, so the changes of each stand together.
    for _, alert in groupby(changes, key=lambda change: change.alert_id):
        yield list(alert)


def _is_within(alert: AlertChange, from_ms: int, known: Iterable[KnownAlert]) -> bool:
    return any(
        not other.retroactive
        and (other.device_id, other.rule) == (alert.device_id, alert.rule)
        and other.onset_ms < from_ms
        and (other.end_ms is None or alert.onset_ms <= other.end_ms)
        for other in known
    )


def _untold(alert: Sequence[AlertChange], told: Told) -> Sequence[AlertChange]:
    """Return what follows the first change that was not told: the last record of an alert is what counts.

    A run that was followed knows only the end. Where another was told, more came late meanwhile: it stays.
    """
    ends = {told_id for told_id, kind, _ in told.changes if kind == "cleared"}
    if alert[0].kind != "raised" and alert[0].alert_id in ends:
        return ()
    for place, change in enumerate(alert):
        if (change.alert_id, change.kind, change.at_ms) not in told.changes:
            return alert[place:]
    return ()
