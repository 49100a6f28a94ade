"""What the ledger remembers between two looks: sets of offsets, sums by minute, how far it has read."""

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from catalog.ledger_offsets import CHUNK, Flags, OffsetSet, Span
from catalog.ledger_sums import Sums
from catalog.marks import MARKS

# `direct` came straight to Kafka, `accounted` is what gateways told, `backfilled` was never in Kafka,
# `forgotten` was taken out with its device; `dead_*` the same of dead letters.
MINUTE_COLUMNS = (
    *MARKS, "unmarked", "direct", "repeated", "accounted", "backfilled", "forgotten",
    "dead_stored", "dead_accounted", "dead_forgotten",
)  # fmt: skip
# Points (one metric of one reading) by minute of event time: what readings promise, what rollups hold.
WINDOW_COLUMNS = ("expected", "expected_hash", "found", "found_hash", "rollups", "late", "newest_ms")
_KEPT_REPEATS = 100
# Sums of hashes are only comparable within one engine version.
_VERSION = f"3 {duckdb.__version__}"
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(kw_only=True)
class PartitionBook:
    """What is known of one partition; `repeats` are the first offsets that came twice."""

    stored: OffsetSet = field(default_factory=OffsetSet)
    accounted: OffsetSet = field(default_factory=OffsetSet)
    direct: OffsetSet = field(default_factory=OffsetSet)
    forgotten: OffsetSet = field(default_factory=OffsetSet)
    repeated: int = 0
    repeats: list[Span] = field(default_factory=list)

    def repeat(self, offsets: npt.NDArray[np.int64]) -> None:
        """Count rows whose offset had been stored before."""
        self.repeated += len(offsets)
        room = _KEPT_REPEATS - len(self.repeats)
        self.repeats += [Span(offset, offset) for offset in offsets[:room].tolist()]

    def settled(self) -> OffsetSet:
        """Return the offsets of which it is known what became of them."""
        return self.stored.united(self.forgotten) if self.forgotten.chunks else self.stored


Books = dict[int, PartitionBook]


@dataclass(kw_only=True)
class LedgerState:
    """Everything read so far of both topics' books and of the rollups."""

    readings: Books = field(default_factory=dict)
    dead_letters: Books = field(default_factory=dict)
    minutes: Sums = field(default_factory=lambda: Sums(MINUTE_COLUMNS))
    windows: Sums = field(default_factory=lambda: Sums(WINDOW_COLUMNS))
    # Dead letters by reason: told by gateways, stored.
    reasons: dict[str, list[int]] = field(default_factory=dict)
    # By table, the snapshot read last.
    snapshots: dict[str, int] = field(default_factory=dict)
    accounts_offset: int = 0
    # Newest minute whose rollups the stream has published, since 1970.
    published_minute: int = -1


_BOOKS = ("readings", "dead_letters")
_SETS = ("stored", "accounted", "direct", "forgotten")


def state_file(folder: Path) -> Path:
    """Return where the ledger's memory lies in a stack's folder."""
    return folder / "ledger.npz"


def save_state(state: LedgerState, path: Path) -> None:
    """Write the state in one step: a reader sees the old one or the new one."""
    arrays: Arrays = {"head": np.frombuffer(json.dumps(_head(state)).encode(), dtype=np.uint8)}
    for name in ("minutes", "windows"):
        sums: Sums = getattr(state, name)
        arrays |= {f"{name}.keys": sums.keys, f"{name}.values": sums.values}
    for book in _BOOKS:
        for partition, known in getattr(state, book).items():
            for name in _SETS:
                arrays |= _pack(f"{book}.{partition}.{name}", getattr(known, name))
    scratch = path.with_suffix(".new")
    with scratch.open("wb") as file:
        np.savez_compressed(file, **arrays)
    scratch.replace(path)


def load_state(path: Path) -> LedgerState:
    """Read the state; one that is absent, damaged or of another version is an empty one."""
    try:
        with np.load(path) as arrays:
            return _unpacked(dict(arrays))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return LedgerState()


def _head(state: LedgerState) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "reasons": state.reasons,
        "snapshots": state.snapshots,
        "accounts_offset": state.accounts_offset,
        "published_minute": state.published_minute,
        "repeats": {
            book: {str(p): [known.repeated, known.repeats] for p, known in getattr(state, book).items()}
            for book in _BOOKS
        },
    }


def _pack(name: str, offsets: OffsetSet) -> Arrays:
    whole = [number for number, bits in offsets.chunks.items() if bits is None]
    holed = {number: bits for number, bits in offsets.chunks.items() if bits is not None}
    return {
        f"{name}.whole": np.array(whole, dtype=np.int64),
        f"{name}.holed": np.array(list(holed), dtype=np.int64),
        f"{name}.bits": np.array([np.packbits(bits) for bits in holed.values()], dtype=np.uint8),
    }


def _unpack(name: str, arrays: Arrays) -> OffsetSet:
    chunks: dict[int, Flags | None] = dict.fromkeys(arrays[f"{name}.whole"].tolist())
    for number, bits in zip(arrays[f"{name}.holed"].tolist(), arrays[f"{name}.bits"], strict=True):
        chunks[number] = np.unpackbits(bits, count=CHUNK).astype(np.bool_)
    return OffsetSet(chunks)


def _unpacked(arrays: Arrays) -> LedgerState:
    head = json.loads(arrays["head"].tobytes())
    if head.pop("version") != _VERSION:
        return LedgerState()
    repeats = head.pop("repeats")
    state = LedgerState(**head)
    for book in _BOOKS:
        getattr(state, book).update(_books(book, repeats[book], arrays))
    for name, sums in (("minutes", state.minutes), ("windows", state.windows)):
        sums.keys, sums.values = arrays[f"{name}.keys"], arrays[f"{name}.values"]
    return state


def _books(book: str, repeats: dict[str, Any], arrays: Arrays) -> Books:
    return {
        int(partition): PartitionBook(
            repeated=count,
            repeats=[Span(*span) for span in spans],
            **{name: _unpack(f"{book}.{partition}.{name}", arrays) for name in _SETS},
        )
        for partition, (count, spans) in repeats.items()
    }
