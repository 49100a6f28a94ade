"""One pass: what devices are judged by, where that changed, as records of `device-context`."""

from psycopg import Connection

from catalog.registry import changes_since, keep_progress, progress_of
from jobs.contexts.record import TOPIC, record
from jobs.publishing.compacted_log import CompactedLog
from jobs.publishing.serving import Publisher

MOST_AT_ONCE = 10_000
# Without changes the time is kept once a minute: it only saves looking at windows that ended long ago.
_KEEP_TIME_EVERY_MS = 60_000


def publish_changes(connection: Connection, log: CompactedLog, now_ms: int) -> int:
    """Publish what changed since the last pass; return how many contexts that was."""
    published = 0
    complete = False
    while not complete:
        with connection.transaction():
            since = progress_of(connection, TOPIC)
            changes = changes_since(connection, since, now_ms, MOST_AT_ONCE)
            log.publish(record(context, now_ms) for context in changes.contexts)
            if changes.contexts or now_ms - since.at_ms > _KEEP_TIME_EVERY_MS:
                keep_progress(connection, TOPIC, changes.progress)
        published += len(changes.contexts)
        complete = changes.complete
    return published


PUBLISHER = Publisher(topic=TOPIC, wake="registry", publish_changes=publish_changes)
