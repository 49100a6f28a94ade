"""Rollups against the readings behind them: equal, wrong in any way, corrected, or not due yet."""

from typing import Any

import numpy as np
import pytest

from catalog.ledger_fold import fold_answers, fold_rollups
from tests.unit.ledger_rows import MINUTE, NOW_MS, Row, known, ledger, rollup, rollups

pytestmark = [pytest.mark.stream, pytest.mark.sessions]

WINDOWS = [
    ("equal", [Row(0), Row(1)], [rollup(2)], True),
    ("one too few", [Row(0), Row(1)], [rollup(1)], False),
    ("published twice", [Row(0), Row(1)], [rollup(2), rollup(2)], False),
    ("a late reading not corrected", [Row(0), Row(1, mark="late")], [rollup(1)], False),
    ("a duplicate counted", [Row(0), Row(1, mark="duplicate")], [rollup(2)], False),
    ("two devices, the sum hides it", [Row(0), Row(1, device="d2")], [rollup(2)], False),
    (
        "two metrics changed places",
        [Row(0, metrics=("a", "b")), Row(1)],
        [rollup(1), rollup(2, metric="b")],
        False,
    ),
    ("never published", [Row(0), Row(1, event=MINUTE - 1)], [rollup(1)], False),
    ("no reading behind it", [Row(0)], [rollup(1), rollup(1, minute=MINUTE - 1)], False),
    ("a reading of two metrics", [Row(0, metrics=("a", "b"))], [rollup(1), rollup(1, metric="b")], True),
    ("no reading at all", [], [], True),
]


@pytest.mark.parametrize(
    ("rows", "windows", "balanced"), [w[1:] for w in WINDOWS], ids=[w[0] for w in WINDOWS]
)
def test_rollups_hold_every_reading_once(rows: list[Row], windows: list[Any], balanced: bool) -> None:
    assert ledger(known(rows, *windows), len(rows)).balanced is balanced


def test_the_highest_revision_is_the_answer() -> None:
    state = known([Row(0), Row(1, mark="late"), Row(2, device="d2")], rollup(1), rollup(1, device="d2"))
    assert not ledger(state, 3).balanced
    corrected = fold_rollups(state, rollups(rollup(2, revision=1)))
    assert corrected.tolist() == [MINUTE]
    every = rollups(rollup(1), rollup(1, device="d2"), rollup(2, revision=1))
    fold_answers(state, corrected, every)
    assert ledger(state, 3).balanced
    assert (state.windows.total("found"), state.windows.total("rollups")) == (3, 3)


def test_a_window_that_vanished_from_the_rollups_is_zero() -> None:
    state = known([Row(0)], rollup(1))
    fold_answers(state, np.array([MINUTE]), rollups())
    assert ledger(state, 1).windows.wrong == [MINUTE]


def test_a_window_is_judged_only_when_it_is_due() -> None:
    received_ms = (MINUTE + 1) * 60_000
    state = known([Row(0), Row(1, event=MINUTE + 5)], rollup(1))
    for now_ms, overdue_ms, found in (
        (received_ms + 1_000, 0, (1, 0, 0)),
        (NOW_MS, 0, (1, 0, 0)),
        (NOW_MS, (MINUTE + 6) * 60_000, (0, 0, 1)),
        (received_ms + 1_000, (MINUTE + 6) * 60_000, (0, 1, 0)),
    ):
        windows = ledger(state, 2, now_ms=now_ms, overdue_ms=overdue_ms).windows
        assert (windows.open, windows.pending, len(windows.wrong)) == found


def test_a_late_reading_waits_longer_for_its_correction() -> None:
    state = known([Row(0), Row(1, mark="late")], rollup(1))
    four_minutes_on, eleven_on = ((MINUTE + 1 + minutes) * 60_000 for minutes in (4, 11))
    assert ledger(state, 2, now_ms=four_minutes_on).windows.pending == 1
    assert ledger(state, 2, now_ms=eleven_on).windows.wrong == [MINUTE]
