"""The tables of commands that ask the API, filled with long values."""

from collections.abc import Callable
from typing import Any, NamedTuple

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
        "timezone": "America/Argentina/ComodRivadavia",
        "resolution": "1m",
        "overflows": FIGURE,
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
    message: dict[str, Any] = {
        "created_at": TIME,
        "channel": "c" * 64,
        "reason": "unacknowledged",
        "state": "pending",
    }
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


def _devices() -> None:
    seen = {"device_id": DEVICE, "state": "history_only", "last_seen": TIME, "site": WIDE, "online": False}
    never = {"device_id": WIDE, "state": None, "last_seen": None, "site": None, "online": False}
    device_commands._show_devices([seen, never])


def _sessions() -> None:
    figures = dict.fromkeys(("readings", "gaps", "late_count", "revision"), FIGURE)
    found = {"sessions": [figures | {"session_start": TIME, "session_end": TIME}], "next_cursor": None}
    device_commands._show_sessions(found, [device_commands._open_session(TIME)])


def _events() -> None:
    event = {"event_time": TIME, "type": "site_silent", "cause": "silence", "part_of": "f" * 64}
    device_commands._show_events({"events": [event | {"details": {"site": WIDE}}], "next_cursor": None})


API_CASES: dict[str, Case] = {
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
    "api.device_commands._show_devices": Case(
        _devices, (DEVICE, WIDE, "history_only", "2026-01-31 08:00:00", "never", "2 devices: 1 history_only")
    ),
    "api.device_commands._show_sessions": Case(_sessions, (FIGURES, "2026-01-31 08:00:00", "open")),
    "api.device_commands._show_events": Case(_events, ("f" * 64, "site_silent", WIDE)),
    "api.data_commands.show": Case(_data, (DEVICE, METRIC, WIDE, str(2 * FIGURE), "c" * 150)),
}
