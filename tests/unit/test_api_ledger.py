"""What `/metrics` says of the ledger: the last look, nothing when there is none or it is too old."""

import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.answers import CorrectionFigures, DeviceFigures, Figures, LakeFigures, StreamFigures
from api.queries.ledger import STALE_AFTER_MS, ledger_figures
from api.queries.prometheus import to_prometheus
from catalog.ledger import judge
from catalog.ledger_minutes import Cut
from catalog.ledger_offsets import Span
from catalog.ledger_state import LedgerState, PartitionBook

pytestmark = [pytest.mark.web, pytest.mark.sessions]

NOW_MS = 1_769_860_800_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A look at three stored of four readings, and dead letters of one reason."""
    state = LedgerState(reasons={"oversize": [2, 1]})
    book = state.readings[0] = PartitionBook()
    book.stored.add_span(Span(0, 2))
    book.accounted.add_span(Span(0, 1))
    cut = Cut(now_ms=NOW_MS, ends={0: 4}, dead_ends={0: 2}, last_ends={0: 4})
    path = tmp_path / "ledger.json"
    path.write_text(json.dumps(judge(state, cut, {}).as_json()))
    return path


def samples(file: Path, now_ms: int) -> dict[tuple[str, ...], float]:
    figures = Figures(
        time="",
        time_ms=now_ms,
        devices=DeviceFigures(state="unavailable", online_within_ms=1),
        stream=StreamFigures(state="unavailable"),
        gateways=[],
        ledger=ledger_figures(file, now_ms),
        lake=LakeFigures(state="unavailable"),
        corrections=CorrectionFigures(state="unavailable"),
    )
    text = to_prometheus(figures, openmetrics=False).decode()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_look_becomes_gauges(file: Path) -> None:
    found = samples(file, NOW_MS + 30_000)
    wanted = {
        ("millrace_up", "ledger"): 1,
        ("millrace_ledger_balanced",): 0,
        ("millrace_ledger_age_seconds",): 30,
        ("millrace_ledger_accepted",): 4,
        ("millrace_ledger_accounted",): 2,
        ("millrace_ledger_unaccounted",): 1,
        ("millrace_ledger_missing",): 1,
        ("millrace_ledger_behind",): 1,
        ("millrace_ledger_repeated",): 0,
        ("millrace_ledger_dead_letters", "oversize", "gateways"): 2,
        ("millrace_ledger_dead_letters", "oversize", "stored"): 1,
        ("millrace_ledger_stored", "late"): 0,
        ("millrace_ledger_windows", "wrong"): 0,
    }
    assert {name: found[name] for name in wanted} == wanted


def test_the_json_says_the_same_with_the_time_it_was_taken(file: Path) -> None:
    found = ledger_figures(file, NOW_MS + 1_000)
    assert (found.state, found.balanced, found.accepted, found.stored, found.age_ms) == (
        "ok",
        False,
        4,
        3,
        1_000,
    )


@pytest.mark.parametrize("content", [None, "", "{}", '{"taken_at_ms": 1}'])
def test_no_look_is_unavailable_and_never_zero(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "ledger.json"
    if content is not None:
        path.write_text(content)
    assert ledger_figures(path, NOW_MS).state == "unavailable"
    names = {name[0] for name in samples(path, NOW_MS)}
    assert names == {"millrace_up"}


def test_an_old_look_is_no_look(file: Path) -> None:
    assert ledger_figures(file, NOW_MS + STALE_AFTER_MS).state == "ok"
    stale = ledger_figures(file, NOW_MS + STALE_AFTER_MS + 1)
    assert (stale.state, stale.reason) == ("unavailable", "the ledger was last taken 180 s ago")
