"""Rows of files as the gateway would judge them: a reading or a rejection for each, and where it stood."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from ingest.gateway.normalise import Envelope, Rejection, normalise
from ingest.gateway.reasons import Reason
from ingest.replay.mapping import Mapping
from ingest.replay.message import message_maker
from ingest.replay.rows import BadRow, Record
from ingest.replay.table import FileNotes
from ingest.replay.timeline import TimeTransform, merged
from millrace.reading import Reading

SOURCE: Final = "backfill"


class Source(NamedTuple):
    """Whose rows they are, what is put before each device id, and when they are imported (UTC ms)."""

    tenant: str
    prefix: str
    now_ms: int


class Element(NamedTuple):
    """What became of a row, and how it came."""

    part: Reading | Rejection
    envelope: Envelope


def elements(
    files: Sequence[Path], mapping: Mapping, source: Source, notes: Sequence[FileNotes] | None = None
) -> Iterator[Element]:
    """Yield what each row of some files is, in order of event time as far as the files are in order.

    Rows without any metric are left out when the mapping says so. `notes`, one a file, take what else is.
    MillraceError when a file cannot be read.
    """
    refused: list[BadRow] = []
    make = message_maker(TimeTransform(), source.prefix, name_device=True)
    for record in merged(files, mapping, refuse=refused.append, notes=notes):
        yield from _bad(refused, source)
        if record.metrics or mapping.on_empty == "keep":
            envelope = _envelope(source, record)
            for part in normalise(make(record).payload, envelope, source.now_ms):
                yield Element(part, envelope)
    yield from _bad(refused, source)


def _bad(refused: list[BadRow], source: Source) -> Iterator[Element]:
    for one in refused:
        detail = f"{one.error.where}: {one.error.what}. {one.error.mend}"
        original = one.text.encode()
        yield Element(
            Rejection(reason=Reason.BAD_ROW, detail=detail, original=original), _envelope(source, one)
        )
    refused.clear()


def _envelope(source: Source, row: Record | BadRow) -> Envelope:
    address = f"{SOURCE}/{row.label}:{row.row}"
    return Envelope(source=SOURCE, address=address, tenant=source.tenant, received_at=source.now_ms)
