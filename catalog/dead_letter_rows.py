"""What is read of `iot.dead_letters`, and what can be asked for."""

from typing import NamedTuple

PREVIEW_BYTES = 256


class DeadLetter(NamedTuple):
    """One refused message; `original` may be a beginning only, `size_bytes` is that of the whole."""

    dead_letter_id: str
    reason: str
    detail: str
    tenant: str | None
    device_id: str | None
    address: str
    received_at_ms: int
    source: str
    kafka_partition: int
    kafka_offset: int
    original: bytes
    size_bytes: int

    @property
    def place(self) -> "Place":
        """Where it stands in the order of pages."""
        return Place(self.received_at_ms, self.kafka_partition, self.kafka_offset)


class Place(NamedTuple):
    """A place in the order of pages, newest first."""

    received_at_ms: int
    kafka_partition: int
    kafka_offset: int


class Selection(NamedTuple):
    """Which letters: of a tenant in [from_ms, to_ms); None means any.

    `nobodys` adds the letters whose address names no tenant.
    """

    tenant: str
    nobodys: bool
    from_ms: int
    to_ms: int
    reason: str | None = None
    device_id: str | None = None
    source: str | None = None


class Count(NamedTuple):
    """How many letters share a reason and a source."""

    reason: str
    source: str
    letters: int
