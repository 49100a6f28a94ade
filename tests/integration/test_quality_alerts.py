"""A suite that fails becomes an alert that people hear of, and is over when it passes; the API shows both."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple
from urllib.parse import urljoin

import pytest
from fastapi.testclient import TestClient
from psycopg import Connection
from typer.testing import CliRunner

from api.app import create_app
from api.dependencies import current_time_ms
from catalog.alert_desk import AlertDesk, Wanted
from catalog.alert_transitions import Lifecycle
from catalog.known_alerts import unconfirmed_alerts
from catalog.lake import load_lake
from catalog.migrations import connect
from catalog.outbox import RuleBook
from catalog.quality import commands
from catalog.quality.pages import FOLDER
from catalog.quality.run import Bench
from catalog.quality.terms import DeviceTerms, Limits, Pause, terms_of
from catalog.registry_entries import DeviceSettings, MaintenanceEntry, ProfileSettings, moment
from catalog.registry_store import Registry
from catalog.rule_store import Change, Entry, RuleStore
from jobs.alerts_keeper.transitions_log import decode
from jobs.corrections.alert_topic import encoded
from jobs.quality.looking import Telling, look_round
from jobs.quality.once import followed
from jobs.quality.telling import Followed
from millrace.settings import ROOT, Settings
from tests.integration.alert_services import running
from tests.integration.quality_lake import DAY_MS, NOW_MS, QualityLake, clean_rows
from udfs.rules.alerts import AlertChange
from udfs.rules.model import rule_data
from udfs.rules.yaml_form import read_rules

pytestmark = [pytest.mark.integration, pytest.mark.lakehouse]

MINUTE_MS = 60_000


class World(NamedTuple):
    """A stack's lake and registry; `told` are the records that topic `alerts` was given."""

    config: Settings
    lake: QualityLake
    told: list[AlertChange]

    def round(self, now_ms: int) -> list[str]:
        """Look once, let the keeper take what was told, and return the kinds of it."""
        before = len(self.told)
        bench = Bench(self.lake.lake, lambda _from, _until: self.lake.terms, self.config.folder / "scratch")
        telling = Telling("demo", lambda rule: followed(self.config, rule), self.told.extend)
        look_round(bench, telling, self.config.folder / FOLDER, now_ms)
        new = self.told[before:]
        keep(self.config, new, now_ms)
        return [one.kind for one in new]

    def alerts(self) -> list[dict[str, Any]]:
        with connect(self.config) as connection:
            return [dict(one) for one in AlertDesk(connection, "demo").alerts(Wanted(0, 2 * NOW_MS), 10)]


def keep(config: Settings, changes: Iterable[AlertChange], now_ms: int) -> None:
    with connect(config) as connection:
        book = RuleBook(connection)
        Lifecycle(connection, book, moment(now_ms)).take([decode(encoded(one)) for one in changes])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("quality"), "postgres") as config:
        lake = QualityLake(config.folder, load_lake(config))
        lake.write(clean_rows())
        with connect(config) as connection:
            add_rule(connection)
        yield World(config, lake, [])
        lake.lake.close()


def add_rule(connection: Connection) -> None:
    shipped = read_rules((ROOT / "rules" / "data-quality.yaml").read_text())
    (wanted,) = [rule_data(one) for one in shipped if one.rule == "quality-readings"]
    entry = Entry("quality-readings", "enabled", wanted | {"notify": ["ops"], "severity": "critical"})
    RuleStore(connection, "demo").create(entry, Change("tester", datetime.now(UTC)))


def test_a_failure_is_one_alert_that_is_told_once_and_over_when_it_passes(world: World) -> None:
    assert world.round(NOW_MS) == []
    assert world.alerts() == []

    rows = clean_rows()["readings"]
    rows[40]["mark"] = "early"
    world.lake.write({"readings": rows})
    assert world.round(NOW_MS + MINUTE_MS) == ["raised"]
    assert world.round(NOW_MS + 2 * MINUTE_MS) == []
    (alert,) = world.alerts()
    assert (alert["device_id"], alert["rule"], alert["rule_version"]) == (
        "table:readings",
        "quality-readings",
        1,
    )
    assert (alert["state"], alert["severity"]) == ("open", "critical")
    assert alert["evidence"]["checks"] == "mark_known of 2026-01-01"
    with connect(world.config) as connection:
        messages = AlertDesk(connection, "demo").story(alert["alert_id"]).notifications
        assert [(one["reason"], one["channel"]) for one in messages] == [("raised", "ops")]

    world.lake.write({"readings": clean_rows()["readings"]})
    assert world.round(NOW_MS + 3 * MINUTE_MS) == ["cleared"]
    (alert,) = world.alerts()
    assert (alert["state"], alert["cleared_ms"]) == ("cleared", NOW_MS + 3 * MINUTE_MS)


def test_the_corrector_finds_the_alert_where_it_looks_for_what_is_true(world: World) -> None:
    stored = world.lake.lake.load_table(("iot", "alert_events")).scan().to_arrow().to_pylist()
    mine = sorted((row for row in stored if row["rule"] == "quality-readings"), key=lambda row: row["at"])
    assert [row["kind"] for row in mine] == ["raised", "cleared"]
    with connect(world.config) as connection:
        waiting = unconfirmed_alerts(connection, 2 * NOW_MS, 10)
    assert {one.alert_id for one in waiting} <= {row["alert_id"] for row in mine}


def test_the_api_lists_the_newest_findings_and_serves_their_pages(world: World) -> None:
    app = create_app(world.config)
    app.dependency_overrides[current_time_ms] = lambda: NOW_MS + 3 * MINUTE_MS
    with TestClient(app, base_url="http://127.0.0.1") as web:
        report = web.get("/quality", params={"table": "readings", "day": "2026-01-01"}).json()
        assert report["passed"]
        assert {one["check"] for one in report["checks"]} >= {"mark_known", "fresh", "interval_kept"}
        index = web.get(report["pages"])
        assert index.status_code == 200
        assert "default-src 'none'" in index.headers["content-security-policy"]
        (marked,) = [one for one in report["checks"] if one["check"] == "mark_known"]
        page = web.get(marked["page"])
        assert page.status_code == 200
        assert "on_time" in page.text
        assert "iot.readings" in page.text
        links = set(re.findall(r'href="([^"#][^"]*)"', page.text))
        assert links
        assert {web.get(urljoin(marked["page"], link)).status_code for link in links} == {200}
        for text in (index.text, page.text):
            assert "<script" not in text
            assert "http" not in text.replace("http-equiv", "")
        assert web.get("/quality/pages/2026-01-01/no.such.html").status_code in (404, 422)
        assert web.get("/quality/pages/2026-01-01/..%2F..%2Fsecrets.json").status_code in (404, 422)


def test_terms_are_those_of_profiles_and_of_maintenance_that_touches_the_day(world: World) -> None:
    profile = ProfileSettings.model_validate(
        {"expected_interval_s": 10, "metrics": {"temperature_c": {"min": -40, "max": 85}}}
    )
    with connect(world.config) as connection:
        registry = Registry(connection, "demo")
        registry.put_profile("pump", profile)
        registry.put_device("pump-1", DeviceSettings(profile="pump", site="hall"))
        registry.put_device("mine", DeviceSettings())
        for begin, end in ((0, 60), (30, 90), (-120, -60)):
            starts, ends = moment(DAY_MS + begin * 60_000), moment(DAY_MS + end * 60_000)
            registry.add_maintenance(MaintenanceEntry(site="hall", starts_at=starts, ends_at=ends))
        found = terms_of(connection, DAY_MS, DAY_MS + 86_400_000)
    assert found.devices == [
        DeviceTerms("demo", "pump-1", "pump", 10, {"temperature_c": Limits(-40.0, 85.0)})
    ]
    assert found.pauses == [Pause("demo", "pump-1", DAY_MS, DAY_MS + 90 * 60_000)]


def test_the_command_line_ends_with_what_it_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "settings", lambda: world.config)
    asked = ["--table", "sessions", "--day", "2026-01-01"]
    fine = CliRunner().invoke(commands.app, [*asked, "--json"])
    assert (fine.exit_code, {one["passed"] for one in json.loads(fine.output)}) == (0, {True})

    rows = clean_rows()["sessions"]
    rows[1]["readings"] = 0
    world.lake.write({"sessions": rows})
    wrong = CliRunner().invoke(commands.app, asked)
    assert wrong.exit_code == 1
    assert "1 failed" in wrong.output
    assert "device_id pump-2" in wrong.output


@pytest.mark.parametrize(("state", "expected"), [("shadow", True), ("disabled", None)])
def test_a_rule_that_only_watches_or_is_disabled_is_followed(
    world: World, state: Literal["shadow", "disabled"], expected: bool | None
) -> None:
    with connect(world.config) as connection:
        entry = Entry(f"quality-{state}", state, {"rule": f"quality-{state}"})
        RuleStore(connection, "demo").create(entry, Change("tester", datetime.now(UTC)))
    found = followed(world.config, f"quality-{state}")
    assert (found and found.shadow) is expected
    assert followed(world.config, "quality-unheard-of") == Followed(0, "warning", shadow=False)
