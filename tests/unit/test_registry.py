"""What registry files say, which maintenance window counts, and how a context travels."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from api.problems import WrongParameterError
from api.queries.registry import window_of
from api.registry_answers import MaintenanceRequest
from catalog.registry import Context, effective_window
from catalog.registry_entries import DeviceEntry, ProfileEntry, RegistryFile, parse_duration_s
from catalog.registry_file import read_file, to_yaml
from catalog.statements import statements
from jobs.contexts.record import record
from millrace.errors import MillraceError
from millrace.reading import decode, encode
from udfs import device_state

pytestmark = pytest.mark.sessions

NOW_MS = 1_800_000_000_000
MINUTE_MS = 60_000


def test_the_context_of_the_registry_is_the_one_the_state_machine_takes() -> None:
    shared = len(device_state.Context._fields)
    assert Context._fields[:shared] == device_state.Context._fields
    taken = device_state.Context._make(Context("demo/d")[:shared])
    terms = {name: getattr(device_state.DEFAULT_TERMS, name) for name in device_state.Terms.__struct_fields__}
    assert taken._asdict() == {"owner": "demo/d"} | terms


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([], None),
        ([(-20, -10)], None),
        ([(-20, 0)], None),
        ([(-20, 10)], (-20, 10)),
        ([(30, 40), (-20, 10)], (-20, 10)),
        ([(30, 40), (5, 10)], (5, 10)),
        ([(-20, 10), (5, 40)], (-20, 40)),
        ([(-20, 40), (5, 10), (40, 50)], (-20, 50)),
        ([(-20, -1), (5, 10), (5, 10)], (5, 10)),
    ],
)
def test_the_window_that_counts_is_the_one_that_holds_now_or_else_the_next(
    windows: list[tuple[int, int]], expected: tuple[int, int] | None
) -> None:
    shifted = [(NOW_MS + start * MINUTE_MS, NOW_MS + end * MINUTE_MS) for start, end in windows]
    found = effective_window(shifted, NOW_MS)
    assert (None if found is None else tuple((bound - NOW_MS) // MINUTE_MS for bound in found)) == expected


def test_a_context_travels_as_a_reading() -> None:
    context = Context("demo/pump/7", "hall-4", "fast", "2.1", 20_000, 5_000, NOW_MS, NOW_MS + 1)
    reading = decode(encode(record(context, NOW_MS)))
    assert (reading.key, reading.source, reading.event_time) == (b"demo/pump/7", "context", NOW_MS)
    assert reading.attributes == {"site": "hall-4", "profile": "fast", "firmware": "2.1"}
    assert {name: int(value) for name, value in reading.metrics.items()} == {
        "offline_after_ms": 20_000,
        "expected_interval_ms": 5_000,
        "maintenance_from_ms": NOW_MS,
        "maintenance_until_ms": NOW_MS + 1,
    }


def test_a_context_without_maintenance_has_no_bounds_of_it() -> None:
    assert set(record(Context("demo/d"), NOW_MS).metrics) == {"offline_after_ms", "expected_interval_ms"}


def test_a_context_says_since_when_its_device_is_registered() -> None:
    assert record(Context("demo/d", registered_ms=NOW_MS), NOW_MS).metrics["registered_ms"] == NOW_MS


def test_tags_travel_as_a_json_array_and_without_any_the_record_is_what_it_was_before_tags() -> None:
    tagged = record(Context("demo/d", tags=("line-3", "spare")), NOW_MS).attributes
    assert tagged == {"site": "", "profile": "default", "firmware": "", "tags": '["line-3","spare"]'}
    assert record(Context("demo/d"), NOW_MS).attributes == {"site": "", "profile": "default", "firmware": ""}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([], ()),
        (["spare", "line-3", "spare"], ("line-3", "spare")),
        (["v1.2:x_y-Z"], ("v1.2:x_y-Z",)),
        (["x" * 64], ("x" * 64,)),
    ],
)
def test_tags_are_kept_sorted_and_once(given: list[str], kept: tuple[str, ...]) -> None:
    assert DeviceEntry.model_validate({"device_id": "d", "tags": given}).tags == kept


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "registry.yaml"
    path.write_text(text)
    return path


WHOLE = """\
profiles:
- profile: slow
  expected_interval_s: 600
  offline_after_s: 1800
sites:
- site: hall-4
  lat: 48.1
  lon: 11.5
devices:
- device_id: pump-1
  site: hall-4
  profile: slow
  tags:
  - line-3
  - spare
maintenance:
- site: hall-4
  starts_at: '2026-01-31T12:00:00+00:00'
  ends_at: '2026-01-31T14:00:00+00:00'
"""


def test_a_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    read = read_file(written(tmp_path, WHOLE))
    again = to_yaml(read.model_dump(exclude_unset=True))
    assert "about" not in again
    assert read_file(written(tmp_path, again)) == read


def test_a_plain_list_is_a_list_of_devices_and_the_default_profile_is_none(tmp_path: Path) -> None:
    read = read_file(written(tmp_path, "- {device_id: a, profile: default}\n- {device_id: b, site: s}\n"))
    assert read.devices == [DeviceEntry(device_id="a"), DeviceEntry(device_id="b", site="s")]
    assert read_file(written(tmp_path, "")) == RegistryFile()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("- {device_id: a b}", "devices\\[0\\].device_id"),
        ("- {device_id: a, colour: red}", "devices\\[0\\].colour"),
        ("- {device_id: a, tags: [line 3]}", "devices\\[0\\].tags\\[0\\]"),
        ("- {device_id: a, tags: ['']}", "devices\\[0\\].tags\\[0\\]"),
        ("- {device_id: a, tags: [-x]}", "devices\\[0\\].tags\\[0\\]"),
        (f"- {{device_id: a, tags: [{'x' * 65}]}}", "devices\\[0\\].tags\\[0\\]"),
        ("- {device_id: a, tags: line-3}", "devices\\[0\\].tags"),
        (f"- {{device_id: a, tags: {[f't{n}' for n in range(33)]}}}", "devices\\[0\\].tags"),
        ("devices: [{site: s}]", "devices\\[0\\].device_id"),
        ("profiles: [{profile: p, expected_interval_s: 60, offline_after_s: 30}]", "every pause is offline"),
        ("profiles: [{profile: default}]", "built in"),
        ("sites: [{site: s, lat: 1.0}]", "lat and lon"),
        (
            "maintenance: [{site: s, device_id: d, "
            "starts_at: 2026-01-01T00:00Z, ends_at: 2026-01-02T00:00Z}]",
            "either",
        ),
        ("maintenance: [{site: s, starts_at: 2026-01-02T00:00Z, ends_at: 2026-01-01T00:00Z}]", "after"),
        ("maintenance: [{site: s, starts_at: 2026-01-01T00:00, ends_at: 2026-01-02T00:00Z}]", "starts_at"),
        ("- {device_id: a, sit: hall}", "did you mean 'site'"),
        (
            "profiles: [{profile: p, offline_after_s: 9, expected_interval_s: 5}]",
            "greater than or equal to 10",
        ),
        ("profiles: [{profile: p, metrics: {t: {mx: 3}}}]", "metrics.t.mx: .* did you mean 'max'"),
        ("profiles: [{profile: p, metrics: {t: {max: .inf}}}]", "finite"),
        ('sites: [{site: s, about: "a\\0b"}]', "sites.0..about: the text holds a NUL character"),
        ('sites: [{site: s, about: "\\ud800"}]', "half a character"),
        ("devices: {", "no YAML"),
        ("just text", "wrong"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(MillraceError, match=named):
        read_file(written(tmp_path, text))


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("2h", 7_200), ("3d", 259_200)])
def test_a_duration_is_read_in_its_unit(text: str, seconds: int) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "0m", "1.5h", "-1h", "2w", "10"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        parse_duration_s(text)


def test_a_profile_must_give_its_devices_a_chance() -> None:
    with pytest.raises(ValidationError, match="at least expected_interval_s"):
        ProfileEntry(profile="p", expected_interval_s=20, offline_after_s=19)


def test_a_window_without_a_start_begins_now() -> None:
    found = window_of(MaintenanceRequest(site="s", duration_s=60), NOW_MS)
    assert round(found.starts_at.timestamp() * 1000) == NOW_MS
    assert round(found.ends_at.timestamp() * 1000) == NOW_MS + 60_000


@pytest.mark.parametrize(
    "asked",
    [
        {"site": "s"},
        {"site": "s", "duration_s": 1, "ends_at": "2040-01-01T00:00:00Z"},
        {"site": "s", "ends_at": "2020-01-01T00:00:00Z"},
        {"site": "s", "ends_at": "tomorrow"},
        {"duration_s": 60},
        {"site": "s", "device_id": "d", "duration_s": 60},
    ],
)
def test_a_window_that_is_none_is_a_wrong_parameter(asked: dict[str, object]) -> None:
    with pytest.raises(WrongParameterError):
        window_of(MaintenanceRequest.model_validate(asked), NOW_MS)


@pytest.mark.parametrize("file", ["contexts", "registry"])
def test_every_statement_has_a_name_and_ends(file: str) -> None:
    found = statements(file)
    assert found
    assert all(text.endswith(b";") and text.count(b";") == 1 for text in found.values())


@pytest.mark.parametrize(
    "asked",
    [
        {"starts_at": "9999-12-31T23:00:00Z", "duration_s": 86_400},
        {"starts_at": "9999-12-30T00:00:00Z", "duration_s": 31_622_400},
        {"starts_at": "0001-01-01T00:00:00Z", "duration_s": 60},
    ],
)
def test_a_window_beyond_the_years_that_can_be_kept_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(WrongParameterError, match="1970 to 9999"):
        window_of(MaintenanceRequest(site="hall-2", **asked), 0)
