"""Imports files in batches: each batch of readings is one commit, each bad row one dead letter."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Final, NamedTuple

from confluent_kafka import KafkaException
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import EqualTo
from pyiceberg.table import Table

from catalog.backfills import PARTITION, BackfillBook, Origin, Reserved
from catalog.filters import every, predicate
from ingest.backfill.elements import Element
from ingest.backfill.stored import identity, known, reading_rows
from ingest.gateway.dead_letter import dead_letter_key, encode_dead_letter
from ingest.gateway.normalise import Envelope, Rejection
from millrace.errors import MillraceError
from millrace.reading import Reading

BATCH_ROWS: Final = 100_000
_DIGEST_BYTES: Final = 16
# Writes dead letters (key, value) and waits until Kafka has all of them.
Send = Callable[[Iterable[tuple[bytes | None, bytes]]], None]
Refused = tuple[Rejection, Envelope]


class Lake(NamedTuple):
    """Where readings go, and all tables that may hold some already."""

    readings: Table
    others: Sequence[Table]


class Imported(NamedTuple):
    """What became of rows; `known` ones were stored before. Event times are of the imported, UTC ms."""

    rows: int = 0
    imported: int = 0
    known: int = 0
    refused: int = 0
    refused_before: int = 0
    from_ms: int = -1
    to_ms: int = -1
    devices: frozenset[str] = frozenset()
    reasons: tuple[tuple[str, int], ...] = ()


class Importer:
    """Imports for one tenant; the caller sees to it that nobody else does."""

    def __init__(self, lake: Lake, book: BackfillBook, origin: Origin, send: Send) -> None:
        self._lake, self._book, self._origin, self._send = lake, book, origin, send
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
        for table in self._lake.others:
            # After the readings' own snapshot: what is moved meanwhile is then in both, and not in none.
            table.refresh()
        there = known((self._lake.readings, *self._lake.others), readings)
        once = {identity(one): one for one in readings if identity(one) not in there}
        new = list(once.values())
        self._sums["known"] += len(readings) - len(new)
        if not new:
            return
        self._append(new, self._book.reserve(self._origin, len(new)))
        self._sums["imported"] += len(new)
        self._devices |= {one.device_id for one in new}
        times_ms = [one.event_time for one in new]
        self._times_ms += [min(times_ms), max(times_ms)]

    def _append(self, new: Sequence[Reading], place: Reserved) -> None:
        wanted = self._lake.readings.schema().as_arrow()
        rows = reading_rows(new, place.first_offset).select(wanted.names).cast(wanted)
        try:
            self._lake.readings.append(rows, snapshot_properties={"millrace.writer": "backfill"})
        except CommitFailedException as error:
            self._book.give_back(place)
            raise MillraceError(
                f"others kept committing first: {error}", where="iot.readings", mend="Import it again."
            ) from error
        self._book.stored(place)

    def _refuse(self, refused: Sequence[Refused]) -> None:
        if not refused:
            return
        tenant = self._origin.tenant
        places = {_place(*one): one for one in refused}
        before = self._book.refused(tenant, [address for address, _ in places])
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

    def _imported(self) -> Imported:
        names = ("rows", "imported", "known", "refused", "refused_before")
        return Imported(
            **{name: self._sums[name] for name in names},
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


def _place(rejection: Rejection, envelope: Envelope) -> tuple[str, bytes]:
    return envelope.address, blake2b(rejection.original, digest_size=_DIGEST_BYTES).digest()
