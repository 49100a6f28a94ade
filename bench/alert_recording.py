"""What the trial of alerts sends: a recording, all of it out of order by some seconds, one in ten twice."""

from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from bench.alert_cases import DATA_SETS, DataSet
from bench.replay_trial import data_folder
from ingest.replay.mapping import Mapping, load_mapping
from ingest.replay.message import Message, message_maker
from ingest.replay.session import inspect
from ingest.replay.timeline import TimeTransform, merged, transform
from millrace.clock import to_iso
from millrace.errors import MillraceError
from tests.oracle.expected import DATA_SETS as FILES
from tests.oracle.expected import Sent, files_of

# Less than the stream waits for, so that nothing is late.
OUT_OF_ORDER_MS: Final = 8_000
# While nothing comes the stream's clock goes on, by two minutes at most.
_BEHIND_STREAM_MS: Final = 300_000
# Longer than any condition of the trial remembers.
_SENTINEL_AFTER_MS: Final = 900_000


class Recording(NamedTuple):
    """A recording ready to be sent; `prefix` stands before every device id, event times are UTC ms."""

    name: str
    files: tuple[Path, ...]
    mapping: Mapping
    time: TimeTransform
    limit: int | None
    prefix: str
    start_ms: int
    end_ms: int

    @property
    def judged(self) -> DataSet:
        """How it is sent and judged."""
        return DATA_SETS[self.name]

    @property
    def sent(self) -> Sent:
        """The same for the oracle."""
        return Sent(self.prefix, self.time.tag, self.time.start_ms, self.time.compress, self.limit)

    @property
    def sentinel_ms(self) -> int:
        """An event time by which all that will be told was told."""
        return self.end_ms + _SENTINEL_AFTER_MS

    def messages(self) -> list[Message]:
        """Return the messages as they go out, the same each time."""
        make = message_maker(self.time, self.prefix, name_device=False)
        records = merged(self.files, self.mapping, self.limit)
        return disordered(make(record) for record in records if record.metrics)


def record(
    name: str, run: str, limit: int | None, start_ms: int | None, come_ms: int, now_ms: int
) -> Recording:
    """Read a recording once and say how it is sent; MillraceError when event time has come too far for it.

    It begins at `start_ms`, by default when it was recorded, but behind `come_ms`, where event time stands.
    """
    files = tuple(files_of(data_folder(), name))
    if not files:
        raise MillraceError("no recorded data", where=str(data_folder()), mend="Set DATA_FOLDER.")
    mapping = load_mapping(FILES[name].mapping)
    found = inspect(files, mapping, limit)
    begin_ms = max(found.first_ms if start_ms is None else start_ms, come_ms + _BEHIND_STREAM_MS)
    compress = DATA_SETS[name].compress
    time = transform(found, compress=compress, shift_to_now=False, start_ms=begin_ms, now_ms=now_ms)
    recording = Recording(
        name, files, mapping, time, limit, f"{run}-", time.at(found.first_ms), time.at(found.last_ms)
    )
    if recording.sentinel_ms > now_ms:
        raise MillraceError(
            f"event time stands at {to_iso(come_ms)}, {name} would end in the future",
            where="the stack",
            mend="Take a stack that got no readings of now, such as a new one without a fleet.",
        )
    return recording


def disordered(messages: Iterable[Message], seed: int = 7) -> list[Message]:
    """Return messages in an order of arrival: each up to 8 s of event time late, one in ten twice."""
    chance, given = Random(seed), list(messages)
    sent = given + chance.sample(given, len(given) // 10)
    return sorted(sent, key=lambda message: message.event_time + chance.randrange(OUT_OF_ORDER_MS))
