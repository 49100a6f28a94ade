"""What people read: every kind of rule in a sentence, every reason in a title."""

from typing import Any

import pytest

from millrace.clock import from_iso
from millrace.errors import MillraceError
from udfs.notify.notice import Notice, parse_notice, sample_notice
from udfs.notify.quantities import duration, figure
from udfs.notify.render import html, text
from udfs.notify.sentences import sentence
from udfs.notify.wording import words
from udfs.rules.discovery import kinds

pytestmark = pytest.mark.alerts

ONSET_MS = from_iso("2026-01-31T12:00:05Z")
ROOT = "https://plant.example"
THRESHOLD = {"kind": "threshold", "metric": "temperature_c", "raise_above": 90, "for_s": 60}
# Numbers arrive as text when they came through the topic: its evidence is a map of strings.
HOT = {"metric": "temperature_c", "value": "96.40000001", "limit": 90}

SENTENCES: list[tuple[dict[str, Any] | None, dict[str, Any], str]] = [
    (THRESHOLD, HOT, "temperature_c is 96.4, above the limit of 90, for at least 1 min"),
    (
        {"kind": "threshold", "metric": "level_pct", "raise_below": 5},
        {"metric": "level_pct", "value": 4.5, "limit": 5.0},
        "level_pct is 4.5, below the limit of 5",
    ),
    (
        {"kind": "count_in_window", "metric": "vibration", "above": 7},
        {"metric": "vibration", "limit": 7.0, "times": 5.0, "within_s": 600.0, "value": 8.25},
        "vibration was above 7 5 times within 10 min; the newest is 8.25",
    ),
    (
        {"kind": "rate_of_change", "metric": "p"},
        {"metric": "p", "value": 12, "before": 2, "rate": 10, "per_s": 60, "limit": 4},
        "p went from 2 to 12: 10 per 1 min, the limit is 4",
    ),
    ({"kind": "absence"}, {"after_s": 300}, "no reading for 5 min"),
    (
        {"kind": "absence"},
        {"metric": "co2_ppm", "after_s": 90_061},
        "no reading of co2_ppm for 1 d 1 h",
    ),
    (
        {"kind": "deviation"},
        {"metric": "kw", "value": 97, "median": 40.5, "z": 8.21, "limit": 4, "samples": 300},
        "kw is 97, usually 40.5 at this time (robust z-score 8.21, the limit is 4)",
    ),
    (
        {"kind": "forecast", "will_cross_above": 90},
        {"metric": "t", "value": 80, "expected": 92, "bound": 91, "limit": 90, "within_s": 3600},
        "t is 80 and expected at 92 in 1 h, above the limit of 90",
    ),
    (
        {"kind": "geofence"},
        {"lat": 52.1, "lon": 13.23456, "on": "leave"},
        "left the area, at 52.10000, 13.23456",
    ),
    (
        {"kind": "sequence"},
        {"steps": "door open, heater on", "took_s": 12},
        "door open, heater on came one after the other within 12 s",
    ),
    ({"kind": "of tomorrow"}, {"a": 1, "b": "x"}, "a 1, b x"),
    (THRESHOLD, {"metric": "t"}, "metric t"),
    (None, {}, "the rule's condition holds"),
]


@pytest.mark.parametrize(("when", "evidence", "said"), SENTENCES)
def test_evidence_is_said_in_a_sentence(
    when: dict[str, Any] | None, evidence: dict[str, Any], said: str
) -> None:
    assert sentence(when, evidence) == said


def test_every_kind_of_rule_has_a_sentence_of_its_own() -> None:
    said = {str(when["kind"]) for when, _, _ in SENTENCES if when}
    assert set(kinds()) <= said


def alert(**changed: Any) -> dict[str, Any]:
    return {
        "alert_id": "a" * 24,
        "device_id": "pump-7",
        "severity": "critical",
        "state": "open",
        "onset_ms": ONSET_MS,
        "at_ms": ONSET_MS + 60_000,
        "cleared_ms": None,
        "evidence": HOT,
    } | changed


def notice(reason: str = "raised", *alerts: dict[str, Any], **changed: Any) -> Notice:
    listed = alerts or (alert(),)
    payload = {
        "reason": reason,
        "tenant": "demo",
        "site": "berlin",
        "rule": "pump-too-hot",
        "rule_version": 3,
        "about": "Pump temperature stays high",
        "when": THRESHOLD,
        "escalate_after_s": 600,
        "severity": "critical",
        "onset_ms": ONSET_MS,
        "count": len(listed),
        "alerts": listed,
    }
    return parse_notice(payload | changed)


TITLES = [
    (notice(), "[CRITICAL] Pump temperature stays high: pump-7 at berlin", "Critical: an alert was raised."),
    (notice(site=""), "[CRITICAL] Pump temperature stays high: pump-7", "Critical: an alert was raised."),
    (notice(about=""), "[CRITICAL] pump-too-hot: pump-7 at berlin", "Critical: an alert was raised."),
    (
        notice("raised", alert(), alert(device_id="pump-8"), count=25),
        "[CRITICAL] Pump temperature stays high: 25 alerts at berlin",
        "Critical: 25 alerts were raised.",
    ),
    (
        notice("escalated"),
        "[CRITICAL] Pump temperature stays high: pump-7 at berlin",
        "The severity rose to critical.",
    ),
    (
        notice("unacknowledged"),
        "[CRITICAL] Pump temperature stays high: pump-7 at berlin",
        "Nobody acknowledged this for 10 min.",
    ),
    (
        notice("cleared", alert(state="cleared", cleared_ms=ONSET_MS + 90_000)),
        "[OVER] Pump temperature stays high: pump-7 at berlin",
        "This is over.",
    ),
    (
        notice("cleared", alert(state="withdrawn")),
        "[OVER] Pump temperature stays high: pump-7 at berlin",
        "Taken back: a reading that came out of order shows that it never was so.",
    ),
]


@pytest.mark.parametrize(("given", "title", "lead"), TITLES)
def test_a_title_says_what_where_and_how_bad(given: Notice, title: str, lead: str) -> None:
    said = words(given, ROOT)
    assert (said.title, said.lead) == (title, lead)


TIMES = [
    ({}, "since 2026-01-31 12:00:05 UTC"),
    (
        {"state": "cleared", "cleared_ms": ONSET_MS + 57_000},
        "since 2026-01-31 12:00:05 UTC until 2026-01-31 12:01:02 UTC (57 s)",
    ),
    ({"state": "cleared"}, "since 2026-01-31 12:00:05 UTC, cleared by hand or with its rule"),
    ({"state": "withdrawn"}, "since 2026-01-31 12:00:05 UTC, taken back"),
]


@pytest.mark.parametrize(("changed", "times"), TIMES)
def test_an_alert_says_since_when_and_until_when(changed: dict[str, Any], times: str) -> None:
    assert words(notice("raised", alert(**changed)), ROOT).entries[0].times == times


def test_text_and_html_say_the_same_and_link_the_alert_and_its_data() -> None:
    said = words(notice("raised", alert(), count=23), ROOT)
    alert_url = f"{ROOT}/alerts/{'a' * 24}?tenant=demo"
    data_url = (
        f"{ROOT}/data/pump-7?tenant=demo&metric=temperature_c"
        "&from=2026-01-31T11%3A45%3A05.000Z&to=2026-01-31T12%3A16%3A05.000Z"
    )
    plain, page = text(said), html(said)
    for part in (said.title, said.lead, said.entries[0].what, said.entries[0].times, "And 22 more alerts."):
        assert part in plain
        assert part in page
    assert alert_url in plain
    assert data_url in plain
    assert data_url.replace("&", "&amp;") in page
    assert "site berlin, tenant demo" in plain


def test_names_can_write_neither_markup_nor_a_second_line() -> None:
    bad = "<img src=x onerror=alert(1)>\r\nBcc: everybody@example.com"
    said = words(notice("raised", alert(device_id=bad), about=bad, site=bad), ROOT)
    assert "\n" not in said.title
    assert "\r" not in said.title
    assert "<img" not in html(said)
    assert said.entries[0].data_url.isprintable()


def test_a_payload_that_is_no_notice_says_what_is_missing() -> None:
    with pytest.raises(MillraceError, match="rule"):
        parse_notice({"reason": "raised", "tenant": "demo", "site": ""})


def test_the_sample_can_be_said() -> None:
    said = words(sample_notice("demo", ONSET_MS), ROOT)
    assert said.title.startswith("[TEST] ")
    assert "96.4, above the limit of 90" in said.entries[0].what


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.25, "0.25 s"),
        (59.9, "59.9 s"),
        (60, "1 min"),
        (90, "1 min 30 s"),
        (3600, "1 h"),
        (3601, "1 h"),
        (90_061, "1 d 1 h"),
    ],
)
def test_durations_are_said_in_two_units(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(90.0, "90"), ("96.40000001", "96.4"), (1e-7, "1e-07"), ("open", "open"), (None, "None")],
)
def test_figures_lose_their_noise(value: Any, said: str) -> None:
    assert figure(value) == said
