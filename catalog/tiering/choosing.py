"""Which files hold rows that are due: wholly, partly, or not yet."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table

from catalog.maintenance.live_files import live_files
from catalog.maintenance.plan import FileFigure
from catalog.table_types import arrow_schema, to_table_types
from catalog.tiering.terms import DAY_MS, Terms, aged

_COLUMNS: Final = ("tenant", "device_id", "event_time")


class Due(NamedTuple):
    """Files all rows of which are due, and files that hold others too."""

    whole: list[DataFile]
    mixed: list[DataFile]


class Chooser:
    """Looks at files of one table; remembers which it looked into in vain, since a file never changes."""

    def __init__(self, tier: str) -> None:
        self._tier = tier
        self._in_vain: dict[str, tuple[Terms, frozenset[int]]] = {}

    def due(self, table: Table, terms: Terms, now_ms: int) -> Due:
        """Return what is due now. A file with one row that is too young for any terms waits for it."""
        live = live_files(table)
        self._in_vain = {path: seen for path, seen in self._in_vain.items() if path in live.files}
        found = Due([], [])
        days = terms.days(self._tier)
        for figure in live.figures:
            reached = frozenset(one for one in days if figure.until_ms < now_ms - one * DAY_MS)
            if not reached or not figure.until_ms or self._in_vain.get(figure.path) == (terms, reached):
                continue
            self._sort(found, table, live.files[figure.path], figure, (terms, reached), now_ms)
        return found

    def _sort(
        self,
        found: Due,
        table: Table,
        file: DataFile,
        figure: FileFigure,
        seen: tuple[Terms, frozenset[int]],
        now_ms: int,
    ) -> None:
        terms, reached = seen
        if reached == terms.days(self._tier):
            found.whole.append(file)
            return
        counts = [aged(rows, terms, self._tier, now_ms).sum() for rows in _keys(table, file)]
        due = int(np.sum(counts))
        if due == figure.rows:
            found.whole.append(file)
        elif due:
            found.mixed.append(file)
        else:
            self._in_vain[figure.path] = seen


def _keys(table: Table, file: DataFile) -> Iterator[pa.Table]:
    schema = table.schema().select(*_COLUMNS)
    wanted = arrow_schema(schema)
    scan = ArrowScan(table.metadata, table.io, schema, AlwaysTrue())
    for batch in scan.to_record_batches([FileScanTask(file)]):
        if batch.num_rows:
            yield to_table_types(batch, wanted)
