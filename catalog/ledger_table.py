"""Writes settled minutes to `iot.ledger`: once, and as the next revision when their figures changed."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyiceberg.table import Table

from catalog.ledger_files import new_rows
from catalog.ledger_minutes import MINUTE_MS, SHOWN, Minutes
from catalog.ledger_sums import Sums

_COLUMNS = ("minute", *SHOWN, "balanced", "revision")
_MIX = np.uint64(0x9E3779B97F4A7C15)
Digests = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]


class LedgerTable:
    """The table and what its newest revisions say; one writer at a time."""

    def __init__(self, table: Table) -> None:
        self._table = table
        # `revisions` counts the rows of a minute; `digest` stands for the figures of the newest.
        self._written = Sums(("revisions", "digest"))
        for rows in new_rows(table, 0, _COLUMNS):
            self._remember(rows)

    def write(self, minutes: Minutes, taken_at_ms: int) -> int:
        """Append the settled minutes whose figures are new; return how many."""
        digests = _digest([*(minutes.figures[name] for name in SHOWN), ~minutes.wrong])
        revisions = self._written.at(minutes.keys, "revisions").astype(np.int64)
        known = (revisions > 0) & (self._written.at(minutes.keys, "digest") == digests)
        chosen = np.flatnonzero(minutes.settled & ~known)
        if len(chosen):
            rows = self._rows(minutes, chosen, revisions, taken_at_ms)
            self._table.append(pa.Table.from_pylist(rows, schema=self._table.schema().as_arrow()))
            keys = minutes.keys[chosen]
            self._written.put(keys, revisions=revisions[chosen] + 1, digest=digests[chosen])
        return len(chosen)

    def _rows(
        self,
        minutes: Minutes,
        chosen: npt.NDArray[np.int64],
        revisions: npt.NDArray[np.int64],
        taken_at_ms: int,
    ) -> list[dict[str, Any]]:
        found = minutes.rows(chosen.tolist())
        return [
            {name: getattr(minute, name) for name in (*SHOWN, "balanced", "note")}
            | {"minute": minute.minute_ms * 1000, "taken_at": taken_at_ms * 1000, "revision": revision}
            for minute, revision in zip(found, revisions[chosen].tolist(), strict=True)
        ]

    def _remember(self, rows: pa.Table) -> None:
        columns = [rows.column(name).to_numpy() for name in (*SHOWN, "balanced")]
        keys = rows.column("minute").cast(pa.int64()).to_numpy() // (MINUTE_MS * 1000)
        revisions = rows.column("revision").to_numpy().astype(np.int64) + 1
        order = np.argsort(revisions, kind="stable")
        # Rows of files come in any order: only one above what is known replaces it.
        newer = order[(revisions > self._written.at(keys, "revisions").astype(np.int64))[order]]
        places, last = np.unique(keys[newer][::-1], return_index=True)
        newest = newer[::-1][last]
        self._written.put(places, revisions=revisions[newest], digest=_digest(columns)[newest])


def _digest(columns: list[npt.NDArray[Any]]) -> Digests:
    digest = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        digest = (digest ^ column.astype(np.uint64)) * _MIX
        digest ^= digest >> np.uint64(29)
    return digest
