"""Every table of the command line, on narrow terminals: no value is cut, whatever it holds."""

import ast
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from catalog import corrections_report, ledger_view, registry_commands
from catalog.forgetting import commands as forgetting
from catalog.maintenance import view as maintenance
from catalog.maintenance.budget import Fitness
from catalog.maintenance.compaction import Compacted
from catalog.maintenance.report import Done, TableReport
from catalog.maintenance.report import Report as TablesReport
from catalog.quality import show as quality
from catalog.quality.finding import Finding
from catalog.tiering import view as tiering
from catalog.tiering.overview import Tier
from ingest.replay import display as replay
from ingest.replay.session import Summary
from jobs.corrections import commands as corrections
from jobs.recompute import commands as recompute
from jobs.recompute.windows import DayDifference
from millrace.doctor import commands as doctor
from millrace.doctor.configured import Setting
from millrace.doctor.finding import Finding as DoctorFinding
from millrace.output import Column, left, print_lines, print_table, table_lines
from millrace.settings import ROOT, Settings
from millrace.stack import report as status
from millrace.stack import tour
from millrace.stack.report import ServiceStatus
from tests.unit.api_tables import (
    API_CASES,
    DAY_MS,
    DEVICE,
    FIGURE,
    FIGURES,
    METRIC,
    PROSE,
    URL,
    WIDE,
    Case,
)
from tests.unit.terminals import shown_in_pipe, shown_on_terminal

PRODUCT = ("api", "catalog", "ingest", "jobs", "millrace", "ml", "udfs")


def _status() -> None:
    row = ServiceStatus(
        name=DEVICE, state="running", pid=1234567, uptime_s=300, memory_mb=FIGURE, port=18000, url=URL
    )
    status.show_statuses(WIDE, [row])


def _findings() -> None:
    doctor._show_findings(
        [
            DoctorFinding(name=DEVICE, ok=False, found=URL, mend=PROSE),
            DoctorFinding(name="lake", ok=True, found=WIDE),
        ]
    )


def _tour() -> None:
    print_table(left("", ""), tour.addresses(Settings(bind_host="h" * 63, home=Path("/home/you") / DEVICE)))


def _registry() -> None:
    row = {"device_id": DEVICE, "site": WIDE, "about": PROSE, "tags": ["a-tag", METRIC], "number": FIGURE}
    registry_commands._show([row], False, "device")


def _quality() -> None:
    row = {"device_id": DEVICE, "values": FIGURE}
    wrong = Finding("readings", METRIC, "readings", DAY_MS, False, PROSE, URL, 1, 1.0, [row], 1, DAY_MS)
    quality.show([wrong])


def _tables() -> None:
    fitness = Fitness(FIGURE, 1, FIGURE, 5 << 30, 1_000, 12.5)
    table = TableReport(fitness, FIGURE, Done(Compacted(FIGURE, FIGURE), cpu_s=1.5, compacted_at_ms=1))
    maintenance.show_tables(TablesReport(DAY_MS, 5, {f"iot.{DEVICE}": table}))


def _tiers() -> None:
    tiering.show_tiers([Tier("warm", URL, FIGURE, FIGURE, 1 << 40, 1 << 45, FIGURE)])


def _minute() -> dict[str, Any]:
    names = (
        "accepted_gateway",
        "accepted_kafka",
        "stored",
        "on_time",
        "late",
        "duplicate",
        "replaced",
        "dead_letters",
    )
    counts = dict.fromkeys((*names, "missing", "rollup_count", "expected_rollup_count"), FIGURE)
    return {"minute_ms": DAY_MS, "note": PROSE, **counts}


def _ledger() -> None:
    names = (*ledger_view._PARTITION.values(), *ledger_view._MINUTE.values(), "behind")
    counts = dict.fromkeys(names, FIGURE) | {"gaps": [[FIGURE, FIGURE + 1]]}
    rollups = dict.fromkeys(("found", "expected", "open", "pending", "wrong"), FIGURE)
    found = counts | {
        "partitions": [counts | {"partition": 15}],
        "gateways": {},
        "rollups": rollups,
        "dead_letter_reasons": {"bad_event_time": {"stored": FIGURE, "gateways": FIGURE}},
        "minutes": [_minute()],
        "findings": [{"says": URL}],
        "balanced": False,
    }
    ledger_view.show_ledger(found)


def _device_ledger() -> None:
    names = (
        "accepted",
        "stored",
        "on_time",
        "late",
        "duplicate",
        "replaced",
        "missing",
        "repeated",
        "dead_letters",
    )
    wrong = {"metric": METRIC, "minute": DAY_MS // 60_000, "found": FIGURE, "expected": FIGURE}
    found = dict.fromkeys(names, FIGURE) | {"tenant": "demo", "device_id": DEVICE, "balanced": True}
    ledger_view.show_device(found | {"waiting": 1, "minutes": [_minute()], "wrong": [wrong]})


def _forget() -> None:
    table = SimpleNamespace(
        table=f"iot.{DEVICE}",
        rows_before=FIGURE,
        rows_after=0,
        snapshots_expired=[1],
        files_deleted=FIGURE,
        rows_named_in_bytes=1,
    )
    report: Any = SimpleNamespace(
        owner=SimpleNamespace(key=f"demo/{DEVICE}"),
        is_clean=True,
        registry=SimpleNamespace(before={"alert": FIGURE}, after={"alert": 0}),
        hot=SimpleNamespace(before=FIGURE, after=0),
        lake=[table],
        log=SimpleNamespace(
            tombstones=[SimpleNamespace(topic="device-context", partition=1, offset=FIGURE)], kept=[]
        ),
        as_json=lambda: {"elsewhere": [PROSE]},
    )
    forgetting._show(report)


def _recompute() -> None:
    recompute._show([DayDifference(DEVICE, DAY_MS, FIGURE, FIGURE, FIGURE)] * 41, quiet=False)


def _corrections() -> None:
    queues = [corrections_report.Queue("alert_hours", "backlog", FIGURE, FIGURE)]
    counts = dict.fromkeys(corrections_report.Report._fields, FIGURE)
    corrections.show(corrections_report.Report(**counts | {"state": "at work", "queues": queues}))  # type: ignore[arg-type]


def _replay() -> None:
    counts = dict.fromkeys(Summary._fields, FIGURE)
    replay.show_summary(Summary(**counts | {"problem": PROSE, "tag": "", "notes": (PROSE,)}))  # type: ignore[arg-type]


# By the function that prints it; a table that is new has no case here, and the first test says so.
CASES: dict[str, Case] = {
    "millrace.stack.report.show_statuses": Case(_status, (DEVICE, WIDE, URL, FIGURES)),
    "millrace.stack.tour.show": Case(_tour, (DEVICE,)),
    "millrace.doctor.commands._show_findings": Case(_findings, (DEVICE, URL, PROSE, WIDE)),
    "millrace.doctor.commands._show_settings": Case(
        lambda: doctor._show_settings([Setting("MILLRACE_LAKE__WAREHOUSE", URL, DEVICE)]), (URL, DEVICE)
    ),
    "catalog.registry_commands._show": Case(_registry, (DEVICE, WIDE, PROSE, METRIC, str(FIGURE))),
    "catalog.quality.show.show": Case(_quality, (METRIC, PROSE, URL, DEVICE, str(FIGURE))),
    "catalog.maintenance.view.show_tables": Case(_tables, (f"iot.{DEVICE}", FIGURES, "budget:")),
    "catalog.tiering.view.show_tiers": Case(_tiers, (URL, FIGURES, f"{FIGURES}.00")),
    "catalog.ledger_view._show_partitions": Case(_ledger, (FIGURES, f"{FIGURE}-{FIGURE + 1}", PROSE, URL)),
    "catalog.ledger_view._show_minutes": Case(_device_ledger, (DEVICE, METRIC, f"{FIGURES}/{FIGURES}")),
    "catalog.forgetting.commands._show": Case(_forget, (DEVICE, FIGURES, PROSE)),
    "jobs.recompute.commands._show": Case(_recompute, (DEVICE, FIGURES, f"{41 * FIGURE:,}")),
    "jobs.corrections.commands.show": Case(_corrections, (FIGURES,)),
    "ingest.replay.display.show_summary": Case(_replay, (FIGURES, PROSE)),
    "millrace.stack.report.show_logs": Case(
        lambda: status.show_logs({DEVICE: FIGURE, "api": None}), (DEVICE, f"{FIGURES} B", "none yet")
    ),
    **API_CASES,
}


def product_files() -> list[Path]:
    return sorted(chain.from_iterable((ROOT / folder).rglob("*.py") for folder in PRODUCT))


def _printing_functions(path: Path) -> set[str]:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    return {f"{module}.{function.name}" for function in functions if _prints_table(function)}


def _prints_table(function: ast.FunctionDef) -> bool:
    calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return any(isinstance(called, ast.Name) and called.id == "print_table" for called in calls)


def test_every_table_has_a_case_here() -> None:
    printing = set().union(*map(_printing_functions, product_files())) - {"millrace.output.print_table"}
    assert printing == set(CASES)


def test_no_command_builds_a_table_of_its_own() -> None:
    own = [path for path in product_files() if "rich.table" in path.read_text()]
    # What moves while `up` works is no table of results; its columns fold.
    assert [str(path.relative_to(ROOT)) for path in own] == ["millrace/stack/display.py"]


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("columns", [40, 80, 132])
@pytest.mark.parametrize("name", CASES)
def test_a_terminal_shows_every_value_whole(name: str, columns: int) -> None:
    shown = shown_on_terminal(columns, CASES[name].show)
    assert "…" not in shown
    missing = [value for value in CASES[name].values if value not in squeezed(shown)]
    assert not missing, shown


@pytest.mark.parametrize("name", CASES)
def test_a_pipe_gets_every_value_on_one_line(name: str) -> None:
    lines = shown_in_pipe(CASES[name].show).splitlines()
    assert not [value for value in CASES[name].values if not any(value in line for line in lines)]
    assert "…" not in "".join(lines)


def lines_at(width: int | None, *rows: tuple[str, ...]) -> list[str]:
    columns = (Column("device"), Column("points", right=True), Column("about", wraps=True))
    curve = Column("curve", ornament=True)
    return [line.plain for line in table_lines((*columns, curve), rows, width)]


def test_the_curve_goes_before_anything_wraps() -> None:
    row = ("pump-1", "1,200", "feeds the boiler", "▁▂▃▄▅▆▇█" * 7)
    assert "▁" in "".join(lines_at(120, row))
    assert lines_at(80, row) == ["device  points  about", "pump-1   1,200  feeds the boiler"]


def test_prose_wraps_at_words_before_a_row_becomes_a_block() -> None:
    row = ("pump-1", "1,200", "feeds the boiler of the second hall by night", "")
    assert lines_at(40, row) == [
        "device  points  about",
        "pump-1   1,200  feeds the boiler of the",
        "                second hall by night",
    ]
    assert lines_at(20, row) == [
        "device  points",
        "pump-1   1,200",
        "    feeds the boiler",
        "    of the second",
        "    hall by night",
    ]
    assert lines_at(12, row)[:2] == ["device  pump-1", "points  1,200"]


def test_an_empty_column_takes_no_room_where_there_is_little() -> None:
    columns = (*left("name", "cause"), Column("gaps", right=True))
    assert [line.plain for line in table_lines(columns, [("pump-1", "silence", "")], 18)] == [
        "name    cause",
        "pump-1  silence",
    ]


def test_wide_letters_take_two_cells() -> None:
    shown = lines_at(60, ("温度计", "1", "x", ""), ("abcdef", "2", "y", ""))
    assert shown[1].index("1") + 3 == shown[2].index("2")


def test_what_a_device_sent_cannot_steer_the_terminal() -> None:
    shown = shown_in_pipe(lambda: print_table(left("device"), [("a\x1b[31m\x07b\u202ec",)]))
    assert "a\ufffd[31m\ufffdb\ufffdc" in shown
    assert "\x1b" not in shown_in_pipe(lambda: print_lines(["\x1b]0;title\x07", ":smile: [red]no markup[/]"]))


def test_markup_and_emoji_codes_stay_as_they_are() -> None:
    text = ":smile: [red]hot[/] [link=x]"
    assert text in shown_in_pipe(lambda: print_table(left("name"), [(text,)], title=text))
