"""One round: each suite looks at the days that are due; findings are recorded, then told."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pyiceberg.table import Table

from catalog.lake import NAMESPACE
from catalog.quality import results
from catalog.quality.day_rows import Span
from catalog.quality.pages import write_pages
from catalog.quality.results import Outcome
from catalog.quality.run import Bench, Look, days_due, look_at
from catalog.quality.suite import Suite, suites
from jobs.corrections.alert_rows import alert_rows
from jobs.corrections.lake_reads import told_alerts
from jobs.corrections.lake_writes import append
from jobs.quality.telling import Followed, changes_of, rule_of
from udfs.rules.alerts import AlertChange

MOST_FAILED_DAYS: Final = 5
_log = logging.getLogger("millrace.quality")


class Telling(NamedTuple):
    """To whom alerts belong, the rule that a name stands for now (None: disabled), and how they are told."""

    tenant: str
    followed: Callable[[str], Followed | None]
    tell: Callable[[Sequence[AlertChange]], None]


def look_round(bench: Bench, telling: Telling, pages: Path, now_ms: int) -> list[Look]:
    """Look at everything that is due, and return what was seen.

    Recorded first: an alert follows from the record, so a round that was cut off is told by the next.
    """
    table = bench.lake.load_table((NAMESPACE, results.TABLE))
    known = results.outcomes(table, now_ms)
    looks: list[Look] = []
    for suite in suites().values():
        days = days_due(now_ms, results.failed_days(known, suite.name), MOST_FAILED_DAYS)
        found = [look_at(bench, suite, Span(day_ms, now_ms)) for day_ms in days]
        looks += [look for look in found if look is not None]
    if looks:
        results.append(table, [finding for look in looks for finding in look.findings])
        table.refresh()
    _tell(bench, telling, results.outcomes(table, now_ms))
    write_pages(pages, looks, results.newest(table, now_ms))
    return looks


def _tell(bench: Bench, telling: Telling, found: Sequence[Outcome]) -> None:
    changes: list[AlertChange] = []
    for suite in suites().values():
        followed = _followed(telling, suite)
        if followed is not None:
            changes += changes_of(suite, found, telling.tenant, followed)
    alert_events = bench.lake.load_table((NAMESPACE, "alert_events"))
    if untold := _untold(alert_events, changes):
        # The topic first: whoever is cut off in between tells the same again, which changes nothing. Without
        # a row in the table the corrector takes an alert for one that a crash made untrue.
        telling.tell(untold)
        append(alert_events, alert_rows(untold))
        _log.info("alerts_told count=%d", len(untold))


def _untold(alert_events: Table, changes: Sequence[AlertChange]) -> list[AlertChange]:
    if not changes:
        return []
    onsets_ms = [one.onset_ms for one in changes]
    span = (min(onsets_ms), max(onsets_ms) + 1)
    rows = told_alerts(alert_events, {one.alert_id for one in changes}, span).to_pylist()
    told = {(row["alert_id"], row["kind"], round(row["at"].timestamp() * 1_000)) for row in rows}
    return [one for one in changes if (one.alert_id, one.kind, one.at_ms) not in told]


def _followed(telling: Telling, suite: Suite) -> Followed | None:
    found = telling.followed(rule_of(suite))
    return found._replace(severity=suite.severity) if found is not None and not found.version else found
