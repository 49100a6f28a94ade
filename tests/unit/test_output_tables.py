"""Every table of the command line, on narrow terminals: no value is cut, whatever it holds."""

import ast
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from api import (
    alert_commands,
    backtest_commands,
    channel_commands,
    data_commands,
    dead_letter_commands,
    device_commands,
    explanation_commands,
    rule_commands,
)
from catalog import ledger_view, registry_commands
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
from jobs.corrections import report as corrections_report
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
from tests.unit.terminals import shown_in_pipe, shown_on_terminal

PRODUCT = ("api", "catalog", "ingest", "jobs", "millrace", "ml", "udfs")
DEVICE = "pump-" + "a1" * 61 + "z"
WIDE = "温度计" * 20
METRIC = "druck_am_einlass_" + "ü" * 60
URL = "http://127.0.0.1:18000/alerts/" + "f" * 24 + "?tenant=demo&" + "x" * 80
FIGURE = 1_234_567_890_123
FIGURES = f"{FIGURE:,}"
PROSE = "The reading is far ahead of the clock of the gateway and was refused: set the clock of the device."
DAY_MS = 1_800_000_000_000 // 86_400_000 * 86_400_000


class Case(NamedTuple):
    """A call that prints a table, and what it must show whole."""

    show: Callable[[], Any]
    values: tuple[str, ...]


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
    names = ("accepted_gateway", "accepted_kafka", "stored", "on_time", "late", "duplicate", "dead_letters")
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
    names = ("accepted", "stored", "on_time", "late", "duplicate", "missing", "repeated", "dead_letters")
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
    counts = dict.fromkeys(corrections_report.Report._fields, FIGURE)
    corrections.show(corrections_report.Report(**counts | {"state": "at work"}))  # type: ignore[arg-type]


def _replay() -> None:
    counts = dict.fromkeys(Summary._fields, FIGURE)
    replay.show_summary(Summary(**counts | {"problem": PROSE, "tag": ""}))  # type: ignore[arg-type]


def _departure() -> dict[str, Any]:
    return {"metric": METRIC, "value": float(FIGURE), "usual": 1.5, "z": 12.3, "remarkable": True}


def _explanation() -> None:
    alert = {"site": WIDE, "device_id": DEVICE, "rule": "hot", "rule_version": 3, "severity": "critical"}
    alert |= {"state": "open", "onset": "2026-01-31T08:00:00.000Z", "onset_ms": DAY_MS}
    reading = {"time_ms": DAY_MS, "time": alert["onset"], "metrics": {METRIC: FIGURE}, "late": True}
    similar = {"onset": alert["onset"], "device_id": DEVICE, "severity": "info", "ended": "after 3 min"}
    data = {"metric": METRIC, "commit": None, "series_path": URL}
    found = {
        "alert": alert,
        "summary": [PROSE],
        "departures": {"metrics": [_departure()]},
        "neighbours": {
            "metric": METRIC,
            "site": WIDE,
            "devices": [{"device_id": DEVICE, "departure": _departure()}],
        },
        "readings": {"readings": [reading], "left_out": 0},
        "similar": [similar | {"last_comment": PROSE}],
        "data": data,
        "notices": [],
    }
    explanation_commands._show(found)


def _backtest() -> None:
    fired: dict[str, Any] = {"device_id": DEVICE, "severity": "critical", "onset": "2026-01-31T08:00:00.000Z"}
    fired |= {"onset_ms": DAY_MS, "raised_ms": DAY_MS + 1_000, "cleared_ms": None}
    found = {
        "rule": "hot",
        "version": 3,
        "says": PROSE,
        "from": "x",
        "to": "y",
        "rows_read": FIGURE,
        "devices_judged": 1,
        "took_ms": 5,
        "snapshot_id": "7" * 19,
        "instances": [fired | {"evidence": {"steps": METRIC, "value": FIGURE}}],
        "truncated": False,
    }
    backtest_commands._show_backtest(found)


def _data() -> None:
    point = {"value": FIGURE, "min": FIGURE, "max": 2 * FIGURE, "last": FIGURE}
    stretch = {"tier": "warm", "from": "2026-01-31T08:00:00Z", "to": "2026-01-31T09:00:00Z", "found": 1}
    found = {
        "device_id": DEVICE,
        "from": stretch["from"],
        "to": stretch["to"],
        "resolution": "1m",
        "series": {METRIC: [point] * 600, WIDE: []},
        "stretches": [stretch | {"snapshot_id": "7" * 19, "expected": FIGURE}],
        "gaps": [],
        "last_point_open": True,
        "next_cursor": "c" * 150,
    }
    data_commands.show(found)


TIME = "2026-01-31T08:00:00.000Z"
ID = "0123456789abcdef01234567"


def _alert(**more: Any) -> dict[str, Any]:
    alert: dict[str, Any] = {
        "alert_id": ID,
        "onset": TIME,
        "severity": "critical",
        "state": "acknowledged",
        "site": WIDE,
    }
    alert |= {"device_id": DEVICE, "rule": "r" * 64, "assignee": "ann", "cleared": TIME}
    return alert | {"evidence": {"metric": METRIC, "value": FIGURE}, "snoozed_until": TIME} | more


def _alert_detail() -> None:
    message = {"created_at": TIME, "channel": "c" * 64, "reason": "unacknowledged", "state": "pending"}
    message |= {"waits_for": "group_wait", "group_wait_s": 30, "next_attempt_at": TIME, "last_error": URL}
    event = {"at": TIME, "kind": "acknowledged", "actor": "a" * 40, "detail": {"told": ["boss", DEVICE]}}
    said = {"made_at": TIME, "author": "ann", "text": PROSE}
    parts = {"history": [event], "comments": [said], "notifications": [message | {"sent_at": None}]}
    alert_commands._show_alert(_alert(**parts))


def _channels() -> None:
    health = {"waiting": FIGURE, "failing": FIGURE, "dead": FIGURE, "last_sent_at": TIME}
    channel = {"channel": "c" * 64, "kind": "webhook", "enabled": True, "group_wait_s": 30, "health": health}
    channel_commands._show_channels({"channels": [channel | {"group_wait_critical_s": 0, "about": PROSE}]})


def _kinds() -> None:
    schema = {"properties": {METRIC: {}, "port": {}}, "required": [METRIC]}
    kind = {"kind": "webhook", "about": PROSE, "settings": schema, "secret": {}}
    channel_commands._show_kinds({"kinds": [kind]})


def _rules() -> None:
    rule = {"rule": "r" * 64, "version": FIGURE, "state": "enabled", "severity": "critical"}
    rule_commands._show_rules([rule | {"kind": "rate_of_change", "about": PROSE}])


def _versions() -> None:
    version = {"version": FIGURE, "made_at": TIME, "state": "deleted", "made_by": "a" * 128}
    rule_commands._show_versions([version])


def _letters() -> None:
    letter: dict[str, Any] = {
        "dead_letter_id": f"0-{FIGURE}",
        "received_at": TIME,
        "reason": "bad_event_time",
    }
    letter |= {"device_id": DEVICE, "source": "mqtt", "replay": None, "detail": PROSE}
    dead_letter_commands._show_page({"dead_letters": [letter], "next_cursor": "c" * 150})


def _counts() -> None:
    count = {"count": FIGURE, "reason": "bad_event_time", "source": "mqtt", "meaning": PROSE}
    dead_letter_commands._show_counts({"counts": [count], "total": 2 * FIGURE})


def _outcomes() -> None:
    outcome = {"dead_letter_id": f"0-{FIGURE}", "outcome": "refused", "repeated": True, "reason": "r" * 40}
    dead_letter_commands._show_outcomes([outcome | {"detail": PROSE}])


def _sessions() -> None:
    figures = dict.fromkeys(("readings", "gaps", "late_count", "revision"), FIGURE)
    found = {"sessions": [figures | {"session_start": TIME, "session_end": TIME}], "next_cursor": None}
    device_commands._show_sessions(found, [device_commands._open_session(TIME)])


def _events() -> None:
    event = {"event_time": TIME, "type": "site_silent", "cause": "silence", "part_of": "f" * 64}
    device_commands._show_events({"events": [event | {"details": {"site": WIDE}}], "next_cursor": None})


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
    "api.explanation_commands._table": Case(
        _explanation, (DEVICE, METRIC, WIDE, str(FIGURE), PROSE, "after 3 min", URL)
    ),
    "api.backtest_commands._table": Case(_backtest, (DEVICE, METRIC, str(FIGURE), PROSE)),
    "api.alert_commands._show_alerts": Case(
        lambda: alert_commands._show_page({"alerts": [_alert()], "next_cursor": "c" * 150}),
        (ID, DEVICE, WIDE, "r" * 64, "2026-01-31 08:00:00", "c" * 150),
    ),
    "api.alert_commands._show_history": Case(_alert_detail, ("acknowledged", "a" * 40, f"boss, {DEVICE}")),
    "api.alert_commands._show_comments": Case(_alert_detail, (PROSE,)),
    "api.alert_commands._show_messages": Case(_alert_detail, ("c" * 64, "unacknowledged", "30", URL)),
    "api.channel_commands._show_channels": Case(_channels, ("c" * 64, FIGURES, "2026-01-31 08:00:00", PROSE)),
    "api.channel_commands._show_kinds": Case(_kinds, ("webhook", PROSE, METRIC, "port (optional)")),
    "api.rule_commands._show_rules": Case(_rules, ("r" * 64, f"v{FIGURE}", "rate_of_change", PROSE)),
    "api.rule_commands._show_versions": Case(_versions, (f"v{FIGURE}", "a" * 128)),
    "api.dead_letter_commands._show_letters": Case(_letters, (f"0-{FIGURE}", DEVICE, PROSE, "c" * 150)),
    "api.dead_letter_commands._show_counts": Case(_counts, (FIGURES, f"{2 * FIGURE:,}", "in all", PROSE)),
    "api.dead_letter_commands._show_outcomes": Case(_outcomes, (f"0-{FIGURE}", "refused (earlier)", PROSE)),
    "api.device_commands._show_sessions": Case(_sessions, (FIGURES, "2026-01-31 08:00:00", "open")),
    "api.device_commands._show_events": Case(_events, ("f" * 64, "site_silent", WIDE)),
    "millrace.stack.report.show_logs": Case(
        lambda: status.show_logs({DEVICE: FIGURE, "api": None}), (DEVICE, f"{FIGURES} B", "none yet")
    ),
    "api.data_commands.show": Case(_data, (DEVICE, METRIC, WIDE, str(2 * FIGURE), "c" * 150)),
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
    assert lines_at(20, row)[:2] == ["device  pump-1", "points  1,200"]


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
