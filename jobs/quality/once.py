"""One round on this stack, then the end: `python -m jobs.quality.once`.

The libraries it needs hold 300 MB; between rounds nobody has to keep them.
"""

import logging
import os
import sys
from typing import Final

import psycopg
from confluent_kafka import KafkaException
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError

from catalog.lake import LAKE_AWAY
from catalog.locks import take_lock
from catalog.migrations import connect
from catalog.quality.pages import FOLDER
from catalog.quality.stack import bench_of
from catalog.rule_store import NoSuchRuleError, RuleStore
from jobs.corrections.alert_topic import AlertTopic
from jobs.quality.looking import Telling, look_round
from jobs.quality.telling import Followed
from millrace.clock import now_ms
from millrace.errors import MillraceError
from millrace.settings import Settings, settings

_NICENESS: Final = 10
_PASSING: Final = (
    psycopg.Error,
    KafkaException,
    CommitFailedException,
    NoSuchTableError,
    MillraceError,
    *LAKE_AWAY,
)
_log = logging.getLogger("millrace.quality")


def followed(config: Settings, rule: str) -> Followed | None:
    """Return the rule of that name as it is now, version 0 when there is none, None while it is disabled."""
    with connect(config) as connection:
        try:
            found = RuleStore(connection, config.tenant).get(rule)
        except NoSuchRuleError:
            return Followed(0, "warning", shadow=False)
    if found.state == "disabled":
        return None
    return Followed(
        found.version, found.definition.get("severity", "warning"), shadow=found.state == "shadow"
    )


def look(config: Settings) -> None:
    """Look once, unless another process does."""
    telling = Telling(
        config.tenant, lambda rule: followed(config, rule), AlertTopic(config.address("kafka")).tell
    )
    with connect(config) as alone, bench_of(config) as bench:
        alone.autocommit = True
        if take_lock(alone, "quality"):
            look_round(bench, telling, config.folder / FOLDER, now_ms())


def main() -> None:
    """Look once; exit 1 when it did not come to the end."""
    logging.basicConfig(level=settings().log_level, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    os.nice(_NICENESS)
    try:
        look(settings())
    except _PASSING as error:
        _log.warning("will look again: %s", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
