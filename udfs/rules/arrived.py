"""What a batch of the log brings to a shard of devices: one text, whatever the number of readings.

Readings keep the order of the log within each partition, and so within a device. Metrics travel as Flink's
text of a map and are read only where a rule wants them.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from udfs.rules.reading import RuleReading

Numbers = npt.NDArray[np.int64]
_BETWEEN: Final = ", "


class ArrivedReading(NamedTuple):
    """A reading that is no duplicate; times in epoch milliseconds, `metrics` as `{name=value, ...}`."""

    owner: str
    event_time_ms: int
    log_time_ms: int
    metrics: str
    lat: float | None
    lon: float | None


class ArrivedContext(NamedTuple):
    """What the registry knows of a device by now; `registered_ms` 0 = it is not registered."""

    owner: str
    site: str
    profile: str
    tags: tuple[str, ...]
    registered_ms: int = 0
    counters: tuple[str, ...] = ()


class ArrivedRule(NamedTuple):
    """A rule in a version, as JSON; `state` may be `deleted`."""

    tenant: str
    rule: str
    version: int
    log_time_ms: int
    state: str
    definition: str


class ArrivedMark(NamedTuple):
    """A mark of the clock: the log is read up to `log_time_ms` by whom the watermark has come to `due_ms`."""

    due_ms: int
    log_time_ms: int


class Arrived(msgspec.Struct, array_like=True, gc=False):
    """What came for one shard; of marks of the clock the newest, None = none came.

    `rules_read_ms`: every change of a rule up to this log time is here or came before, None = no news.
    """

    readings: list[ArrivedReading] = []
    contexts: list[ArrivedContext] = []
    rules: list[ArrivedRule] = []
    mark: ArrivedMark | None = None
    rules_read_ms: int | None = None

    @property
    def newest_ms(self) -> int | None:
        """The newest log time of its readings, None = there are none."""
        return max((reading[2] for reading in self.readings), default=None)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Arrived)


def encode(arrived: Arrived) -> str:
    """Return the text of what arrived."""
    return _encoder.encode(arrived).decode()


def decode(text: str) -> Arrived:
    """Read such a text; msgspec.DecodeError when it is none."""
    return _decoder.decode(text)


def by_shard(
    shards: Numbers, columns: Sequence[npt.NDArray[np.object_] | Numbers]
) -> Iterator[tuple[int, list[ArrivedReading]]]:
    """Yield each shard with its readings in their order; `columns` are those of ArrivedReading.

    The readings are plain tuples: in text they are the same, and making them is half the work.
    """
    order = np.argsort(shards, kind="stable")
    rows = list(zip(*(column[order].tolist() for column in columns), strict=True))
    sorted_shards = shards[order]
    starts = np.flatnonzero(np.diff(sorted_shards, prepend=-1)).tolist()
    for begin, end in pairwise([*starts, len(rows)]):
        yield int(sorted_shards[begin]), rows[begin:end]  # type: ignore[misc]


def rule_reading(arrived: ArrivedReading) -> RuleReading:
    """Return what a rule sees of a reading."""
    inner = arrived.metrics[1:-1]
    entries = (entry.split("=", 1) for entry in inner.split(_BETWEEN)) if inner else ()
    metrics = {name: float(value) for name, value in entries}
    return RuleReading(arrived.event_time_ms, metrics, arrived.lat, arrived.lon)
