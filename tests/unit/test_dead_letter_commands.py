"""Fixes as they are written on the command line."""

from typing import Any

import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner

from api.dead_letter_commands import app, parse_fix
from millrace.errors import MillraceError
from millrace.phrases import harmless
from udfs.dead_letter_fixes import Fix

pytestmark = pytest.mark.sessions

FIX: TypeAdapter[Fix] = TypeAdapter(Fix)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("rename:temp:metrics.temp_c", {"fix": "rename", "from": "temp", "to": "metrics.temp_c"}),
        ("set:device_id:d1", {"fix": "set", "field": "device_id", "value": "d1"}),
        ("set:metrics.a:1.5", {"fix": "set", "field": "metrics.a", "value": 1.5}),
        ('set:device_id:"17"', {"fix": "set", "field": "device_id", "value": "17"}),
        ("set:event_time:2026-01-01T00:00:00Z", None),
        ("remove:location", {"fix": "remove", "field": "location"}),
        ("scale:event_time:1000", {"fix": "scale", "field": "event_time", "factor": 1000}),
        ("to_number:metrics.a:b", {"fix": "to_number", "field": "metrics.a:b"}),
        ("assume_utc:event_time", {"fix": "assume_utc", "field": "event_time"}),
        ("assume_zone:event_time", {"fix": "assume_zone", "field": "event_time"}),
        (
            "assume_zone:event_time:Europe/Berlin:later",
            {"fix": "assume_zone", "field": "event_time", "zone": "Europe/Berlin", "which": "later"},
        ),
        ('{"fix": "remove", "field": "metrics.a:b"}', {"fix": "remove", "field": "metrics.a:b"}),
    ],
)
def test_a_written_fix_is_one_of_the_declared(written: str, meant: dict[str, Any] | None) -> None:
    parsed = parse_fix(written)
    FIX.validate_python(parsed)
    assert parsed == meant or (meant is None and parsed["value"] == "2026-01-01T00:00:00Z")


@pytest.mark.parametrize("written", ["rename:a", "scale:", "remove", "shout:a", "", "{broken"])
def test_what_is_no_fix_is_said_so(written: str) -> None:
    with pytest.raises(MillraceError, match="no fix is written"):
        parse_fix(written)


def test_replaying_everything_has_to_be_asked_for() -> None:
    result = CliRunner().invoke(app, ["replay"])
    assert isinstance(result.exception, MillraceError)
    assert "which letters" in result.exception.what


def test_what_a_device_sent_does_not_steer_the_terminal() -> None:
    assert harmless("a\x1b[2Jb\n\tc°\r") == "a�[2Jb  c°�"
