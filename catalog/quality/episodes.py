"""When a suite failed, from when to when: what alerts are told by."""

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

from catalog.quality.results import Outcome


class Episode(NamedTuple):
    """Time in which a check of a suite had failed and not passed since; `until_ms` None = it lasts.

    `failed` are the checks that failed last, with their days, the same ones since `changed_ms`.
    """

    suite: str
    from_ms: int
    changed_ms: int
    until_ms: int | None
    failed: tuple[tuple[str, int], ...]


def newest_episode(found: Iterable[Outcome], suite: str) -> Episode | None:
    """Return the newest episode of a suite, or None when it never failed.

    A check that failed in a day fails until it passes in that day: a day nobody looks at any more does not
    mend itself. `found` is in the order of time.
    """
    open_checks: dict[tuple[str, int], bool] = {}
    episode: Episode | None = None
    own = (one for one in found if one.suite == suite)
    for checked_at_ms, looks in groupby(own, key=lambda one: one.checked_at_ms):
        for one in looks:
            _take(open_checks, one)
        episode = _next(episode, suite, checked_at_ms, tuple(sorted(open_checks)))
    return episode


def _take(open_checks: dict[tuple[str, int], bool], one: Outcome) -> None:
    if one.passed:
        open_checks.pop((one.check, one.day_ms), None)
    else:
        open_checks[one.check, one.day_ms] = True


def _next(
    episode: Episode | None, suite: str, at_ms: int, failed: tuple[tuple[str, int], ...]
) -> Episode | None:
    if episode is None or episode.until_ms is not None:
        return Episode(suite, at_ms, at_ms, None, failed) if failed else episode
    if not failed:
        return episode._replace(until_ms=at_ms)
    return episode if failed == episode.failed else episode._replace(changed_ms=at_ms, failed=failed)
