"""What becomes of an imported reading beside what is there."""

from typing import Any

import pytest

from ingest.backfill.conflicts import Held, Planner, Policy
from millrace.reading import Location, Reading, content_id

pytestmark = pytest.mark.replay

NOW_MS, AT_MS = 1_767_225_600_000, 1_700_000_000_000
KEY = ("a", AT_MS)


def reading(attributes: dict[str, str] | None = None, **metrics: float) -> Reading:
    return Reading(
        tenant="demo", device_id="a", event_id=content_id(AT_MS, metrics, None, attributes), event_time=AT_MS,
        metrics=metrics, attributes=attributes, received_at=NOW_MS, source="backfill",
    )  # fmt: skip


def planned(held: list[Held], *readings: Reading, **policy: Any) -> tuple[list[str], Planner]:
    planner = Planner({KEY: held} if held else {}, Policy(**policy))
    return [planner.take(one) for one in readings], planner


def stored(counted: bool = True, **metrics: float) -> Held:
    return Held(metrics, counted, 0, Location(lat=1.0, lon=2.0), {"site": "north"})


def rows(planner: Planner) -> list[tuple[dict[str, float], str, str]]:
    return [(one.metrics, one.source, mark) for one, mark in zip(planner.rows, planner.marks, strict=True)]


def test_what_is_there_is_the_same_whatever_row_says_it() -> None:
    held = [stored(t=1.0, h=5.0), stored(counted=False, t=0.0), stored(u=-0.0)]
    same = [reading(t=1.0, h=5.0), reading(t=0.0), reading(h=5.0, u=0.0), reading({"x": "y"}, t=1.0)]
    found, planner = planned(held, *same)
    assert (found, planner.rows) == (["same"] * 4, [])


@pytest.mark.parametrize("on_conflict", ["keep", "replace", "both"])
def test_what_is_not_there_is_new_and_repeated_rows_of_a_file_are_the_same(on_conflict: str) -> None:
    found, planner = planned([], reading(t=1.0), reading(t=1.0), reading(h=2.0), on_conflict=on_conflict)
    assert found == ["new", "same", "new"]
    assert rows(planner) == [({"t": 1.0}, "backfill", "late"), ({"h": 2.0}, "backfill", "late")]
    assert not planner.corrected


def test_only_what_is_not_there_of_a_row_is_stored() -> None:
    found, planner = planned([stored(t=1.0)], reading(t=1.0, h=2.0))
    assert (found, rows(planner)) == (["new"], [({"h": 2.0}, "backfill", "late")])
    assert planner.rows[0].event_id == content_id(AT_MS, {"h": 2.0})


def test_a_correction_stands_for_the_whole_row_it_replaces() -> None:
    held = [stored(t=1.0, h=5.0), stored(u=3.0)]
    found, planner = planned(held, reading(t=2.0))
    assert found == ["replaced"]
    assert rows(planner) == [({"t": 2.0, "h": 5.0}, "replace:backfill", "late")]
    (row,) = planner.rows
    assert (row.location, row.attributes) == (Location(lat=1.0, lon=2.0), {"site": "north"})
    assert row.event_id == content_id(AT_MS, row.metrics, row.location, row.attributes)
    assert planner.corrected == {KEY}
    assert [planner.take(one) for one in (reading(t=2.0), reading(t=1.0, h=5.0))] == ["same", "same"]


def test_the_last_of_two_values_in_one_file_counts_and_is_named() -> None:
    found, planner = planned([], reading(t=1.0), reading(t=2.0), reading(t=3.0))
    assert found == ["new", "replaced", "replaced"]
    assert [mark for _, _, mark in rows(planner)] == ["replaced", "replaced", "late"]
    assert (planner.conflicts_within, planner.within[0]) == (2, "a at 2023-11-14T22:13:20.000Z")
    assert not planner.corrected


def test_keep_stores_only_what_nobody_measured() -> None:
    found, planner = planned([stored(t=1.0)], reading(t=2.0), reading(t=2.0, h=5.0), on_conflict="keep")
    assert (found, rows(planner)) == (["kept", "kept"], [({"h": 5.0}, "backfill", "late")])


def test_both_lets_each_value_count_once() -> None:
    found, planner = planned([stored(t=1.0)], reading(t=2.0), reading(t=2.0), on_conflict="both")
    assert (found, rows(planner)) == (["beside", "same"], [({"t": 2.0}, "backfill", "late")])


def test_an_older_import_undoes_a_correction_only_when_asked() -> None:
    held = [stored(counted=False, t=1.0), stored(t=2.0)]
    assert planned(list(held), reading(t=1.0))[0] == ["same"]
    found, planner = planned(list(held), reading(t=1.0), restore=True)
    assert (found, rows(planner)) == (["replaced"], [({"t": 1.0}, "replace:backfill", "late")])
