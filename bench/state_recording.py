"""What the state trial sends: a recording, its faults, its devices' profiles; known without a stack."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.disorder import Chunk, Disorder, Faults, Sent
from bench.registered import Profile, Registered
from bench.replay_trial import data_folder
from ingest.replay.mapping import Mapping, load_mapping
from ingest.replay.session import inspect
from ingest.replay.timeline import Survey, TimeTransform, merged, transform
from millrace.errors import MillraceError
from tests.oracle.expected import files_of
from tests.oracle.sent import Terms

DATA_SET = "air-quality"
FEWEST_PAUSES = 6
_SENTINEL_AFTER_MS = 300_000
HOUR_S = 3600


class Wanted(NamedTuple):
    """The options of a run; event time is as recorded, or begins at `start_ms`, or, compressed, ends now."""

    limit: int | None = None
    stations: int = 8
    seed: int = 7
    compress: int = 1
    pauses: int | None = None
    start_ms: int | None = None


class Recording(NamedTuple):
    """A recording ready to be sent; `prefix` stands before every device id."""

    files: tuple[Path, ...]
    mapping: Mapping
    found: Survey
    time: TimeTransform
    wanted: Wanted
    faults: Faults
    prefix: str
    chunk_ms: int

    def chunks(self) -> Iterator[Chunk]:
        """Yield what is sent, the same each time."""
        tag = f"~{self.time.tag}" if self.time.tag else ""
        disorder = Disorder(self.faults, self.prefix, tag, self.time.at)
        return disorder.chunks(merged(self.files, self.mapping, self.wanted.limit), self.chunk_ms)

    @property
    def start_ms(self) -> int:
        """Event time of the oldest reading."""
        return self.time.at(self.found.first_ms)

    @property
    def end_ms(self) -> int:
        """Event time of the newest reading."""
        return self.time.at(self.found.last_ms)

    @property
    def sentinel_ms(self) -> int:
        """An event time by which every session and window is closed."""
        return self.end_ms + _sentinel_after_ms(self.wanted.compress)

    def profiles(self) -> tuple[Profile, Profile]:
        """Return the profile that cuts sessions at each missing hour, and the one that counts gaps instead.

        Hours become `3600 / compress` seconds; `short` is offline after 1.5 of them, `long` after 6,
        and expects a reading each half hour so that its gaps are visible.
        """
        hour_s = HOUR_S / self.wanted.compress
        names = (f"{self.prefix}short", f"{self.prefix}long")
        return (
            Profile(names[0], max(1, round(1.5 * hour_s)), max(1, round(hour_s))),
            Profile(names[1], max(1, round(6 * hour_s)), max(1, round(hour_s / 2))),
        )

    def devices(self) -> list[Registered]:
        """Return the stations, each with the profiles in turn, at one site."""
        profiles = self.profiles()
        names = sorted({path.name.split(".")[0] for path in self.files})
        return [
            Registered(self.prefix + name, f"{self.prefix}beijing", profiles[number % 2].name)
            for number, name in enumerate(names)
        ]

    def terms(self) -> dict[str, Terms]:
        """Return by what the oracle cuts each device's sessions."""
        profiles = {profile.name: profile for profile in self.profiles()}
        return {
            device.device_id: Terms(
                profiles[device.profile].offline_after_s * 1000,
                profiles[device.profile].expected_interval_s * 1000,
            )
            for device in self.devices()
        }


def _sentinel_after_ms(compress: int) -> int:
    return 12 * HOUR_S * 1000 // compress + _SENTINEL_AFTER_MS


def record(wanted: Wanted, run: str, now_ms: int) -> Recording:
    """Read the recording once and say how it is sent; MillraceError when there is none."""
    files = tuple(files_of(data_folder(), DATA_SET)[: wanted.stations])
    if not files:
        raise MillraceError("no recorded data", where=str(data_folder()), mend="Set DATA_FOLDER.")
    mapping = load_mapping(DATA_SET)
    found = inspect(files, mapping, wanted.limit)
    time = _time(wanted, found, now_ms)
    span_ms = time.at(found.last_ms) - time.at(found.first_ms)
    faults = Faults(seed=wanted.seed)
    chunk_ms = max(1, min(faults.longest_chunk_ms, span_ms // FEWEST_PAUSES))
    if wanted.pauses:
        chunk_ms = max(1, span_ms // wanted.pauses)
    return Recording(files, mapping, found, time, wanted, faults, f"{run}-", chunk_ms)


def _time(wanted: Wanted, found: Survey, now_ms: int) -> TimeTransform:
    compress = wanted.compress
    if compress == 1 and wanted.start_ms is None:
        return TimeTransform()
    # Event time may not be ahead of the clock: it ends early enough for its sentinels.
    end_ms = now_ms - _sentinel_after_ms(compress)
    span_ms = (found.last_ms - found.first_ms) // compress
    start_ms = end_ms - span_ms if wanted.start_ms is None else wanted.start_ms
    return transform(found, compress=compress, shift_to_now=False, start_ms=start_ms, now_ms=now_ms)


class Tally(NamedTuple):
    """How many messages of each kind a recording comes to, and how often it pauses."""

    messages: int
    pauses: int
    kinds: dict[str, int]
    broken: dict[str, int]


def tally(recording: Recording) -> Tally:
    """Go through a recording without sending it."""
    kinds: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    pauses = 0
    for chunk in recording.chunks():
        pauses += bool(chunk.late)
        for message in [*chunk.flowing, *chunk.late]:
            kinds[kind_of(message)] += 1
            if message.broken:
                broken[message.broken] += 1
    return Tally(kinds.total(), pauses, dict(sorted(kinds.items())), dict(sorted(broken.items())))


def kind_of(message: Sent) -> str:
    """Return what is odd about a message; a second copy is a duplicate, whatever the first one was."""
    return "duplicate" if message.copy else message.kind
