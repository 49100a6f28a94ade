"""`millrace recompute` refuses what it cannot do, and says why."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.recompute.commands import Way, _asked, _way, app
from jobs.recompute.opened import final_of
from millrace.cli import build
from millrace.errors import MillraceError
from millrace.settings import Settings

pytestmark = pytest.mark.lakehouse


def test_predictions_are_refused_until_there_are_some() -> None:
    arguments = ["predictions", "--devices", "a", "--from", "1d", "--dry-run"]
    found = CliRunner().invoke(app, arguments)
    assert isinstance(found.exception, MillraceError)
    assert "no model" in str(found.exception)


@pytest.mark.parametrize(
    ("publish", "dry_run", "as_json", "way"),
    [
        (False, False, False, Way.ASK),
        (True, False, True, Way.PUBLISH),
        (False, True, True, Way.DRY_RUN),
        (True, True, False, None),
        (False, False, True, None),
    ],
)
def test_one_way_is_chosen(publish: bool, dry_run: bool, as_json: bool, way: Way | None) -> None:
    if way is None:
        with pytest.raises(MillraceError, match="not clear"):
            _way(publish, dry_run, as_json)
    else:
        assert _way(publish, dry_run, as_json) is way


def test_devices_are_named_once_each_and_in_order() -> None:
    asked = _asked(Settings(tenant="demo"), "b, a,b,", ("2026-01-01T00:00:00Z", "now"), None)
    assert (asked.tenant, asked.devices, asked.from_ms) == ("demo", ("a", "b"), 1_767_225_600_000)
    assert _asked(Settings(), "all", ("1d", "now"), "other")[:2] == ("other", ())
    with pytest.raises(MillraceError, match="no device"):
        _asked(Settings(), " , ", ("1d", "now"), None)


def test_nothing_is_recomputed_before_it_is_known_what_is_final(tmp_path: Path) -> None:
    with pytest.raises(MillraceError, match="not known yet"):
        final_of(Settings(home=tmp_path))


def test_all_commands_are_there() -> None:
    found = CliRunner().invoke(build(), ["--help"])
    assert {"recompute", "backfill", "forget"} <= set(found.output.split())
