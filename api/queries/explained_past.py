"""What the lake says of an alert: readings around the onset, how far metrics departed, there and nearby."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from api.problems import ProblemError, WrongParameterError
from api.queries.lake_access import open_table
from millrace.clock import to_iso
from millrace.settings import Settings
from udfs.explain import DAY_MS, FEW, HOUR_MS, Departure, Spans, departure, departures, nearest, spans

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from catalog.reading_window import Commit, ReadingWindow, StoredReading

MOST_READINGS: Final = 200
AFTER_MS: Final = 900_000


class Onset(NamedTuple):
    """What is looked for: a device from its alert's onset on, other devices, and the metric to compare.

    Without a metric it is the device's farthest departed one. Event times are UTC milliseconds.
    """

    tenant: str
    device_id: str
    onset_ms: int
    cleared_ms: int | None
    raised_ms: int
    neighbours: Sequence[str]
    metric: str | None


class Past(NamedTuple):
    """What was found; `then` is the commit at the time the alert was raised. Notices say what is missing."""

    notices: list[str]
    compared: Spans
    commit: "Commit | None" = None
    then: "Commit | None" = None
    to_ms: int = 0
    readings: Sequence["StoredReading"] = ()
    left_out: int = 0
    departures: Sequence[Departure] = ()
    metric: str | None = None
    nearby: Sequence[tuple[str, Departure | None]] = ()


def look_back(config: Settings, onset: Onset, snapshot_id: int | None) -> Past:
    """Read the lake at a snapshot, the newest by default; WrongParameterError when it has no such snapshot.

    When the lake does not answer, a notice says so.
    """
    try:
        with open_table(config, "readings") as table:
            return _look(table, onset, snapshot_id)
    except ProblemError as error:
        if error.status != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return Past([error.what], _spans(onset, HOUR_MS), metric=onset.metric)


def _look(table: "Table", onset: Onset, snapshot_id: int | None) -> Past:
    from catalog.reading_window import as_of

    commit, then = _commit(table, snapshot_id), as_of(table, onset.raised_ms)
    if commit is None:
        notice = "No reading was committed to the lake yet: ask again in a few seconds."
        return Past([notice], _spans(onset, HOUR_MS), metric=onset.metric)
    window, compared = _window(table, commit, onset)
    own = window.readings(onset.device_id)
    shown = nearest([one.time_ms for one in own], onset.onset_ms, MOST_READINGS)
    found = departures([(one.time_ms, one.metrics) for one in own], compared)
    metric = onset.metric or (found[0].metric if found and found[0].remarkable else None)
    return Past(
        notices=list(_notices(window, compared, commit, own, found)),
        compared=compared,
        commit=commit,
        then=then,
        to_ms=onset.onset_ms + AFTER_MS,
        readings=[own[place] for place in shown],
        left_out=len(own) - len(shown),
        departures=found,
        metric=metric,
        nearby=_nearby(window, onset.neighbours, metric, compared),
    )


def _commit(table: "Table", snapshot_id: int | None) -> "Commit | None":
    from catalog.reading_window import current, of_id

    if snapshot_id is None:
        return current(table)
    found = of_id(table, snapshot_id)
    if found is None:
        raise WrongParameterError(
            "snapshot",
            f"iot.readings has no snapshot {snapshot_id}, or keeps it no longer",
            accepted="a snapshot id that an explanation named, or leave it out for the newest",
        )
    return found


def _spans(onset: Onset, back_ms: int) -> Spans:
    return spans(onset.onset_ms, onset.cleared_ms, back_ms)


def _window(table: "Table", commit: "Commit", onset: Onset) -> tuple["ReadingWindow", Spans]:
    """Read the hour before, or the day where an hour says little."""
    from catalog.reading_window import Wanted, read_window

    devices = frozenset((onset.device_id, *onset.neighbours))
    for back_ms in (HOUR_MS, DAY_MS):
        compared = _spans(onset, back_ms)
        to_ms = onset.onset_ms + AFTER_MS
        wanted = Wanted(onset.tenant, devices, compared.from_ms, to_ms, onset.onset_ms)
        window = read_window(table, commit, wanted)
        before = sum(one.time_ms < onset.onset_ms for one in window.readings(onset.device_id))
        if before >= FEW or not window.whole:
            break
    return window, compared


def _nearby(
    window: "ReadingWindow", neighbours: Iterable[str], metric: str | None, compared: Spans
) -> list[tuple[str, Departure | None]]:
    if metric is None:
        return []
    points = window.points(metric)
    return [(device_id, departure(metric, points.get(device_id, ()), compared)) for device_id in neighbours]


def _notices(
    window: "ReadingWindow", compared: Spans, commit: "Commit", own: Sequence[Any], found: Sequence[Departure]
) -> Iterable[str]:
    from catalog.reading_window import MOST_FILES, MOST_ROWS

    if commit.committed_ms < compared.until_ms:
        yield (
            f"The lake was last committed at {to_iso(commit.committed_ms)}: what came later is not in it yet."
        )
    if not window.whole:
        yield (
            f"Only the files nearest to the onset were read, {MOST_FILES} or {MOST_ROWS:,} rows at most: "
            "the time before is not looked at as a whole."
        )
    if not own:
        yield "The lake has no reading of the device around the onset."
    elif not any(compared.onset_ms <= one.time_ms < compared.until_ms for one in own):
        yield "The lake has no reading of the device in the minutes from the onset on."
    elif not found:
        yield "The device sent too little before the onset to say what is usual for it."
