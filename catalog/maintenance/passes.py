"""One pass of maintenance over the tables of a lake."""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table

from catalog.maintenance.budget import fitness
from catalog.maintenance.compaction import Compacted, compact
from catalog.maintenance.expiry import Expired, Keeping, expire
from catalog.maintenance.live_files import Live, live_files
from catalog.maintenance.orphans import Orphans, remove_orphans
from catalog.maintenance.plan import Policy
from catalog.maintenance.reach import Reach
from catalog.maintenance.report import Done, Report, TableReport
from millrace.errors import MillraceError
from millrace.phrases import known_names

_log = logging.getLogger("millrace.maintenance")
ORPHANS_EVERY_MS: Final = 86_400_000


class Maintainer:
    """Goes over tables again and again; remembers what it did to each.

    `still_alone` raises when this process may no longer write.
    """

    def __init__(
        self,
        lake: Catalog,
        known: Report | None,
        still_alone: Callable[[], None],
        policy: Policy | None = None,
        keeping: Keeping | None = None,
    ) -> None:
        self._lake = lake
        self._tables = dict(known.tables) if known else {}
        self._still_alone = still_alone
        self._policy, self._keeping = policy or Policy(), keeping or Keeping()
        self._reach: dict[str, Reach] = {}
        # Whether the newest pass joined anything: then there may be more.
        self.has_more = False

    def run_pass(self, now_ms: int, only: Iterable[str] = ()) -> Report:
        """Do what is worth doing now to all tables, or to some (`namespace.name`)."""
        began_s = time.monotonic()
        self.has_more = False
        for name in _chosen(self._lake, only):
            self._still_alone()
            self._maintain(name, now_ms)
        return Report(now_ms, int((time.monotonic() - began_s) * 1000), dict(self._tables))

    def _maintain(self, name: str, now_ms: int) -> None:
        began_s = time.process_time()
        try:
            table = self._lake.load_table(name)
        except NoSuchTableError:
            self._tables.pop(name, None)
            return
        before = self._tables[name].done if name in self._tables else Done()
        live = live_files(table)
        done = self._tidied(table, self._packed(table, live, before, now_ms), now_ms)
        done = done._replace(cpu_s=round(done.cpu_s + time.process_time() - began_s, 3))
        live = live if done.compacted == before.compacted else live_files(table)
        self._tables[name] = _looked_at(table, live, done, self._policy, now_ms)

    def _packed(self, table: Table, live: Live, done: Done, now_ms: int) -> Done:
        compacted = compact(table, self._policy, now_ms, live)
        if compacted == Compacted():
            return done
        self.has_more = True
        _log.info("%s: %d files became %d", ".".join(table.name()), *compacted[:2])
        return done._replace(compacted=done.compacted.plus(compacted), compacted_at_ms=now_ms)

    def _tidied(self, table: Table, done: Done, now_ms: int) -> Done:
        reach = self._reach.setdefault(".".join(table.name()), Reach())
        if now_ms - done.expired_at_ms >= self._keeping.every_ms:
            found = expire(table, self._keeping, now_ms, reach)
            sums = Expired(*(a + b for a, b in zip(done.expired, found, strict=True)))
            done = done._replace(expired=sums, expired_at_ms=now_ms)
        if now_ms - done.orphans_at_ms >= ORPHANS_EVERY_MS:
            lost = remove_orphans(table, reach, now_ms)
            total = Orphans(*(a + b for a, b in zip(done.orphans, lost, strict=True)))
            done = done._replace(orphans=total, orphans_at_ms=now_ms)
        reach.forget_all_but(table.metadata.snapshots)
        return done


def look(lake: Catalog, known: Report | None, now_ms: int, only: Iterable[str] = ()) -> Report:
    """Return how the tables are now, with what was done to them as a report knows it; changes nothing."""
    before = known.tables if known else {}
    tables = {}
    for name in _chosen(lake, only):
        done = before[name].done if name in before else Done()
        table = lake.load_table(name)
        tables[name] = _looked_at(table, live_files(table), done, Policy(), now_ms)
    return Report(now_ms, 0, tables)


def _looked_at(table: Table, live: Live, done: Done, policy: Policy, now_ms: int) -> TableReport:
    found = fitness(live.figures, policy, now_ms)
    return TableReport(found, len(table.metadata.snapshots), done)


def _chosen(lake: Catalog, only: Iterable[str]) -> list[str]:
    """Return the tables asked for, all by default; MillraceError when there is no such table."""
    known, wanted = table_names(lake), set(only)
    missing = sorted(wanted - set(known))
    if missing:
        raise MillraceError(
            f"there is no table {', '.join(missing)}", where="--table", mend=known_names(missing[0], known)
        )
    return [name for name in known if not wanted or name in wanted]


def table_names(lake: Catalog) -> list[str]:
    """Return every table of every namespace, as `namespace.name`."""
    spaces = sorted(lake.list_namespaces())
    return [".".join(name) for space in spaces for name in sorted(lake.list_tables(space))]
