"""A trial's rules: written, in force by the log, and gone at the end."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from bench.log_records import Tail, end_offsets
from catalog.migrations import connect
from catalog.rule_store import Change, Entry, RuleStore
from millrace.clock import now_ms
from millrace.errors import MillraceError
from millrace.settings import Settings

# What the stack promises: a version is in force for what the log holds from 3 s after it.
DELAY_MS: Final = 3_000
_PATIENCE_S: Final = 60.0
Definition = dict[str, Any]


def threshold(name: str, metric: str, raise_above: float, **more: Any) -> Definition:
    """Return a threshold as people write it; `more` are fields of the rule."""
    when = {"kind": "threshold", "metric": metric, "raise_above": raise_above}
    return {"rule": name, "when": when} | more


@contextmanager
def in_force(settings: Settings, rules: Sequence[Definition], tenant: str | None = None) -> Iterator[None]:
    """Put rules in force, wait until they are, and delete them at the end."""
    put_in_force(settings, rules, tenant)
    try:
        yield
    finally:
        with connect(settings) as connection, connection.transaction():
            store = RuleStore(connection, tenant or settings.tenant)
            for rule in rules:
                store.delete(rule["rule"], None, _change())


def put_in_force(settings: Settings, rules: Sequence[Definition], tenant: str | None = None) -> None:
    """Write new rules and wait until they are in force; MillraceError when one is never published."""
    begin = end_offsets(settings, "rules")
    with connect(settings) as connection:
        store = RuleStore(connection, tenant or settings.tenant)
        store.import_rules([Entry(rule["rule"], "enabled", rule) for rule in rules], _change())
    waiting = {rule["rule"] for rule in rules}
    deadline = time.monotonic() + _PATIENCE_S
    with Tail(settings, "rules", begin) as tail:
        while waiting and time.monotonic() < deadline:
            waiting -= {record.fields["device_id"] for record in tail.read(0.5)}
    if waiting:
        raise MillraceError(
            f"{len(waiting)} rules never came to `rules`",
            where=min(waiting),
            mend="`millrace logs rules-publisher` says why.",
        )
    time.sleep(1.5 * DELAY_MS / 1000)


def _change() -> Change:
    return Change("bench", datetime.fromtimestamp(now_ms() / 1000, UTC))
