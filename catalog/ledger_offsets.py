"""A set of log offsets: bitmaps where it has holes, nothing but a number where it is whole."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

CHUNK = 1 << 16
Offsets = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Span(NamedTuple):
    """Offsets from `first` to `last`, both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many offsets lie in it."""
        return self.last - self.first + 1


class OffsetSet:
    """Offsets of one partition; a chunk of 64 Ki costs 64 KiB only while it has holes."""

    def __init__(self, chunks: dict[int, Flags | None] | None = None) -> None:
        self.chunks: dict[int, Flags | None] = chunks or {}

    def add(self, offsets: Offsets) -> Flags:
        """Take offsets; tell of each whether it had been there already, earlier in this batch included."""
        repeated = np.ones(len(offsets), dtype=np.bool_)
        numbers = offsets // CHUNK
        for number in np.unique(numbers).tolist():
            rows = np.flatnonzero(numbers == number)
            places, firsts = np.unique(offsets[rows] % CHUNK, return_index=True)
            bits = self._bits(number)
            repeated[rows[firsts]] = bits[places]
            bits[places] = True
            self._keep(number, bits)
        return repeated

    def add_span(self, span: Span) -> int:
        """Take all offsets of a span; return how many were new."""
        new = 0
        for number in range(span.first // CHUNK, span.last // CHUNK + 1):
            bits = self._bits(number)
            part = bits[max(span.first - number * CHUNK, 0) : span.last - number * CHUNK + 1]
            new += int(len(part) - part.sum())
            part[:] = True
            self._keep(number, bits)
        return new

    @property
    def end(self) -> int:
        """One above the highest offset held; 0 when there is none."""
        number = max(self.chunks, default=None)
        if number is None:
            return 0
        bits = self.chunks[number]
        return (number + 1) * CHUNK if bits is None else number * CHUNK + int(np.flatnonzero(bits)[-1]) + 1

    def count_below(self, end: int) -> int:
        """Return how many offsets below `end` are held."""
        return sum(_size(bits, width) for _, width, bits in self._below(end))

    def holes(self, end: int) -> list[Span]:
        """Return the spans below `end` that are not held."""
        holed = [(start, width) for start, width, bits in self._below(end) if bits is not None]
        missing = range(0, end, CHUNK)
        absent = [(start, min(CHUNK, end - start)) for start in missing if start // CHUNK not in self.chunks]
        return _spans((start, ~self._bits(start // CHUNK)[:width]) for start, width in sorted(holed + absent))

    def beyond(self, others: Iterable["OffsetSet"], end: int) -> list[Span]:
        """Return the spans below `end` that are held here and in none of the others."""
        known = list(others)
        return _spans((start, self._only_here(start, width, known)) for start, width, _ in self._below(end))

    def united(self, other: "OffsetSet") -> "OffsetSet":
        """Return the offsets held here or there."""
        found = OffsetSet()
        for number in self.chunks.keys() | other.chunks.keys():
            found._keep(number, self._bits(number) | other._bits(number))
        return found

    def _only_here(self, start: int, width: int, others: list["OffsetSet"]) -> Flags:
        number = start // CHUNK
        if any(other.chunks.get(number, False) is None for other in others):
            return np.zeros(0, dtype=np.bool_)
        left = self._bits(number)[:width].copy()
        for other in others:
            left &= ~other._bits(number)[:width]
        return left

    def _below(self, end: int) -> Iterator[tuple[int, int, Flags | None]]:
        for number in sorted(self.chunks):
            start = number * CHUNK
            if start < end:
                bits = self.chunks[number]
                width = min(CHUNK, end - start)
                yield start, width, bits if bits is None else bits[:width]

    def _bits(self, number: int) -> Flags:
        if number not in self.chunks:
            return np.zeros(CHUNK, dtype=np.bool_)
        bits = self.chunks[number]
        return np.ones(CHUNK, dtype=np.bool_) if bits is None else bits

    def _keep(self, number: int, bits: Flags) -> None:
        self.chunks[number] = None if bits.all() else bits


def _size(bits: Flags | None, width: int) -> int:
    return width if bits is None else int(bits.sum())


def _spans(parts: Iterable[tuple[int, Flags]]) -> list[Span]:
    found: list[Span] = []
    for start, bits in parts:
        edges = np.flatnonzero(np.diff(np.concatenate(([False], bits, [False])).astype(np.int8)))
        for first, after in (edges.reshape(-1, 2) + start).tolist():
            if found and found[-1].last + 1 == first:
                found[-1] = Span(found[-1].first, after - 1)
            else:
                found.append(Span(first, after - 1))
    return found
