"""Imports files in batches: each batch of readings is one commit, each bad row one dead letter."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa
from confluent_kafka import KafkaException
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import EqualTo
from pyiceberg.table import Table

from catalog.backfills import PARTITION, BackfillBook, Origin, Reserved
from catalog.filters import every, predicate
from catalog.repetitions import settle_repetitions
from ingest.backfill.conflicts import OUTCOMES, Key, Planner, Policy
from ingest.backfill.elements import Element
from ingest.backfill.stored import held_rows, reading_rows
from ingest.gateway.dead_letter import dead_letter_key, encode_dead_letter
from ingest.gateway.normalise import Envelope, Rejection
from millrace.errors import MillraceError
from millrace.reading import Reading

_log = logging.getLogger("millrace.backfill")
BATCH_ROWS: Final = 100_000
_DIGEST_BYTES: Final = 16
_NAMED: Final = 5
# Writes dead letters (key, value) and waits until Kafka has all of them.
Send = Callable[[Iterable[tuple[bytes | None, bytes]]], None]
Refused = tuple[Rejection, Envelope]


class Lake(NamedTuple):
    """Where readings go, and all tables that may hold some already."""

    readings: Table
    others: Sequence[Table]


class Imported(NamedTuple):
    """What became of rows: see `ingest.backfill.conflicts`. Event times are of the stored, UTC ms.

    `conflicts_within`: how often rows of the same import had different values for one time; `within` names
    the first.
    """

    rows: int = 0
    new: int = 0
    same: int = 0
    replaced: int = 0
    kept: int = 0
    beside: int = 0
    stored: int = 0
    conflicts_within: int = 0
    within: tuple[str, ...] = ()
    refused: int = 0
    refused_before: int = 0
    from_ms: int = -1
    to_ms: int = -1
    devices: frozenset[str] = frozenset()
    reasons: tuple[tuple[str, int], ...] = ()


class Importer:
    """Imports for one tenant; the caller sees to it that nobody else does."""

    def __init__(
        self, lake: Lake, book: BackfillBook, origin: Origin, send: Send, policy: Policy | None = None
    ) -> None:
        self._lake, self._book, self._origin, self._send = lake, book, origin, send
        self._policy = policy or Policy()
        self._occurrences: Counter[bytes] = Counter()
        self._within: list[str] = []
        self._sums: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._devices: set[str] = set()
        self._times_ms: list[int] = []

    def run(self, elements: Iterable[Element], batch_rows: int = BATCH_ROWS) -> Imported:
        """Import everything; cut off and begun again it goes on where it was.

        MillraceError when the lake or Kafka does not take it: what was imported until then stays.
        """
        settle(self._lake.readings, self._book)
        for batch in _batches(elements, batch_rows):
            self._sums["rows"] += len(batch)
            self._refuse([(one.part, one.envelope) for one in batch if isinstance(one.part, Rejection)])
            self._store([one.part for one in batch if isinstance(one.part, Reading)])
        return self._imported()

    def _store(self, readings: Sequence[Reading]) -> None:
        if not readings:
            return
        for table in (self._lake.readings, *self._lake.others):
            # The others after the readings: what is moved meanwhile is then in both, and not in none.
            table.refresh()
        held = held_rows((self._lake.readings, *self._lake.others), readings)
        planner = Planner(held, self._policy)
        for one in readings:
            planner.take(one)
        if planner.rows:
            self._append(planner, self._book.reserve(self._origin, len(planner.rows)))
            self._note(planner.rows)
        self._sums.update(planner.outcomes)
        self._sums["conflicts_within"] += planner.conflicts_within
        self._within += planner.within
        if planner.corrected:
            self._mark_replaced(planner.corrected)

    def _note(self, rows: Sequence[Reading]) -> None:
        self._sums["stored"] += len(rows)
        self._devices |= {one.device_id for one in rows}
        times_ms = [one.event_time for one in rows]
        self._times_ms += [min(times_ms), max(times_ms)]

    def _append(self, planner: Planner, place: Reserved) -> None:
        wanted = self._lake.readings.schema().as_arrow()
        rows = reading_rows(planner.rows, planner.marks, place.first_offset).select(wanted.names).cast(wanted)
        try:
            self._lake.readings.append(rows, snapshot_properties={"millrace.writer": "backfill"})
        except CommitFailedException as error:
            self._book.give_back(place)
            raise MillraceError(
                f"others kept committing first: {error}", where="iot.readings", mend="Import it again."
            ) from error
        self._book.stored(place)

    def _mark_replaced(self, corrected: Collection[Key]) -> None:
        """Mark what the new rows replace at once; the corrector does it too, whenever this was cut off."""
        devices, times_ms = zip(*corrected, strict=True)
        times = pa.table({"device_id": devices, "event_time_ms": pa.array(times_ms, pa.int64())})
        times = times.append_column("tenant", pa.array([self._origin.tenant] * len(times)))
        with duckdb.connect() as connection:
            connection.register("touched_time", times)
            try:
                settle_repetitions(connection, self._lake.readings)
            except CommitFailedException as error:
                _log.info("the corrector marks what is replaced: %s", error)

    def _refuse(self, refused: Sequence[Refused]) -> None:
        if not refused:
            return
        tenant = self._origin.tenant
        places = {self._identity(rejection): (rejection, envelope) for rejection, envelope in refused}
        before = self._book.refused(tenant, list(places))
        new = {place: one for place, one in places.items() if place not in before}
        try:
            # Sent before it is noted: cut off in between, it is sent again and not forgotten.
            self._send((dead_letter_key(*one), encode_dead_letter(*one)) for one in new.values())
        except KafkaException as error:
            raise MillraceError(
                f"Kafka does not take dead letters: {error}",
                where="telemetry.dead-letter",
                mend="`millrace status` says what runs; then import it again.",
            ) from error
        self._book.note_refused(tenant, list(new))
        self._sums["refused"] += len(new)
        self._sums["refused_before"] += len(refused) - len(new)
        self._reasons.update(rejection.reason.value for rejection, _ in new.values())

    def _identity(self, rejection: Rejection) -> bytes:
        """Return what tells a refused row apart in any file: its bytes, and how often they came before."""
        self._occurrences[rejection.original] += 1
        number = self._occurrences[rejection.original].to_bytes(8)
        return blake2b(rejection.original, key=number, digest_size=_DIGEST_BYTES).digest()

    def _imported(self) -> Imported:
        names = ("rows", *OUTCOMES, "stored", "conflicts_within", "refused", "refused_before")
        return Imported(
            **{name: self._sums[name] for name in names},
            within=tuple(self._within[:_NAMED]),
            from_ms=min(self._times_ms, default=-1),
            to_ms=max(self._times_ms, default=-1),
            devices=frozenset(self._devices),
            reasons=tuple(sorted(self._reasons.items())),
        )


def settle(readings: Table, book: BackfillBook) -> None:
    """Find out of imports that were cut off whether their rows are stored: all of them are, or none."""
    for place in book.pending():
        first = [
            predicate(EqualTo, "kafka_partition", PARTITION),
            predicate(EqualTo, "kafka_offset", place.first_offset),
        ]
        if readings.scan(row_filter=every(first), selected_fields=("kafka_offset",)).to_arrow().num_rows:
            book.stored(place)
        else:
            book.give_back(place)


def _batches(elements: Iterable[Element], size: int) -> Iterator[list[Element]]:
    stream = iter(elements)
    while batch := list(islice(stream, size)):
        yield batch
