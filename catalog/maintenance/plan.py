"""Which files are worth joining: pure, from figures that metadata holds.

Files are looked at by *cell*: a partition and a day of event time. While a day is written to, files of about
one size are joined whenever there are `fan` of them, so a row is rewritten once per size step and not once
per pass. When the day is over and nothing came for a while, its small files become one; when a whole
partition is, days too small for a file of their own are joined with their neighbours.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final, NamedTuple

DAY_MS: Final = 86_400_000
_SMALLEST_STEP_BYTES: Final = 64 << 10
# A file this many times larger than all it would be joined with is left alone.
_NOT_WORTH_IT: Final = 8


class FileFigure(NamedTuple):
    """What is known of a data file: event times (ms) of its rows, when it was written (ms, 0 = long ago)."""

    path: str
    partition: str
    from_ms: int
    until_ms: int
    rows: int
    size_bytes: int
    written_ms: int


class Policy(NamedTuple):
    """How hard to work.

    A file of half of `target_bytes` is large enough. A day is over `settle_ms` after its end, and quiet when
    nothing was written for `quiet_ms`. One pass rewrites about `pass_bytes`, one commit `most_rows`.
    """

    fan: int = 24
    target_bytes: int = 128 << 20
    settle_ms: int = 3_600_000
    quiet_ms: int = 1_800_000
    pass_bytes: int = 1 << 30
    most_rows: int = 16_000_000
    most_files: int = 2_000


def plan(files: Iterable[FileFigure], policy: Policy, now_ms: int) -> list[list[FileFigure]]:
    """Return groups of files to join, the most fragmented and then the oldest first."""
    partitions = defaultdict(list)
    for file in files:
        if file.size_bytes < policy.target_bytes // 2:
            partitions[file.partition].append(file)
    groups = [group for found in partitions.values() for group in _of_partition(found, policy, now_ms)]
    groups.sort(key=lambda group: (-len(group), group[0].from_ms))
    return list(_within_budget(groups, policy.pass_bytes))


def _within_budget(groups: list[list[FileFigure]], most_bytes: int) -> Iterator[list[FileFigure]]:
    sizes = accumulate(size_of(group) for group in groups)
    for group, total in zip(groups, sizes, strict=True):
        if total - size_of(group) < most_bytes:
            yield group


def size_of(files: Iterable[FileFigure]) -> int:
    """Return the bytes of files together."""
    return sum(file.size_bytes for file in files)


def _of_partition(files: list[FileFigure], policy: Policy, now_ms: int) -> Iterator[list[FileFigure]]:
    if _is_quiet(files, policy, now_ms):
        yield from _cut(_worth_joining(files, policy), policy)
        return
    for cell in cells(files).values():
        quiet = _is_quiet(cell, policy, now_ms)
        chosen = _worth_joining(cell, policy) if quiet else _crowded(cell, policy.fan)
        yield from _cut(chosen, policy)


def cells(files: Iterable[FileFigure]) -> dict[tuple[str, int], list[FileFigure]]:
    """Return files by partition and the day of their first row (days since 1970)."""
    found = defaultdict(list)
    for file in files:
        found[file.partition, file.from_ms // DAY_MS].append(file)
    return found


def _is_quiet(files: list[FileFigure], policy: Policy, now_ms: int) -> bool:
    day_end_ms = (max(file.until_ms for file in files) // DAY_MS + 1) * DAY_MS
    newest_ms = max(file.written_ms for file in files)
    return day_end_ms + policy.settle_ms <= now_ms and newest_ms + policy.quiet_ms <= now_ms


def _worth_joining(files: list[FileFigure], policy: Policy) -> list[FileFigure]:
    found = sorted(files, key=lambda file: file.size_bytes)
    while 1 < len(found) < policy.fan and found[-1].size_bytes > _NOT_WORTH_IT * size_of(found[:-1]):
        found.pop()
    return found


def _crowded(files: list[FileFigure], fan: int) -> list[FileFigure]:
    steps = {file.path: _step(file.size_bytes, fan) for file in files}
    full = [step for step, count in Counter(steps.values()).items() if count >= fan]
    # Smaller ones come along: they cost little, and would be joined soon.
    return [file for file in files if steps[file.path] <= min(full)] if full else []


def _step(size_bytes: int, fan: int) -> int:
    step, edge = 0, _SMALLEST_STEP_BYTES
    while size_bytes >= edge:
        step, edge = step + 1, edge * fan
    return step


def _cut(files: list[FileFigure], policy: Policy) -> Iterator[list[FileFigure]]:
    """Cut files, in the order of their time, where the next would make the new file too large."""
    group: list[FileFigure] = []
    for file in sorted(files, key=lambda file: (file.from_ms, file.path)):
        full = (
            size_of(group) + file.size_bytes > policy.target_bytes
            or sum(one.rows for one in group) + file.rows > policy.most_rows
            or len(group) == policy.most_files
        )
        if full and len(group) > 1:
            yield group
        if full:
            group = []
        group.append(file)
    if len(group) > 1:
        yield group
