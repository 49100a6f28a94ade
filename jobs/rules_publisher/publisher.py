"""One pass: the rules that changed, as records of `rules`."""

import json

from psycopg import Connection

from catalog.registry import Progress, keep_progress, progress_of
from catalog.rule_store import RuleChange, changes_since
from jobs.publishing.compacted_log import CompactedLog
from jobs.publishing.serving import Publisher
from millrace.reading import Reading

TOPIC = "rules"
MOST_AT_ONCE = 5_000


def publish_changes(connection: Connection, log: CompactedLog, now_ms: int) -> int:
    """Publish the rules that changed since the last pass; return how many that was."""
    published = 0
    complete = False
    while not complete:
        with connection.transaction():
            since = progress_of(connection, TOPIC)
            changes = changes_since(connection, since.change, MOST_AT_ONCE)
            if changes:
                log.publish(record(change, now_ms) for change in changes)
                keep_progress(connection, TOPIC, Progress(changes[-1].change, now_ms))
        published += len(changes)
        complete = len(changes) < MOST_AT_ONCE
    return published


def record(change: RuleChange, now_ms: int) -> Reading:
    """Return a rule as a Reading, so that the jobs read one shape; the rule stands where a device does."""
    return Reading(
        tenant=change.tenant,
        device_id=change.rule,
        event_id=f"rule-{change.version}",
        event_time=now_ms,
        metrics={"version": float(change.version)},
        attributes={"state": change.state, "rule": json.dumps(change.definition, ensure_ascii=False)},
        received_at=now_ms,
        source=TOPIC,
    )


PUBLISHER = Publisher(topic=TOPIC, wake="rules", publish_changes=publish_changes)
