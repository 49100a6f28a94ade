"""Rows in local time: the hour that comes twice, the hour that never is, and numbers in another unit."""

from pathlib import Path
from typing import Any

import pytest

from ingest.replay import repeated_hour
from ingest.replay.mapping import Mapping
from ingest.replay.moments import time_reader
from ingest.replay.repeated_hour import passes
from ingest.replay.rows import BadRow, Record, read_rows
from ingest.replay.table import FileNotes
from millrace.clock import from_iso, to_iso
from millrace.errors import MillraceError

pytestmark = pytest.mark.replay

BERLIN = {"column": "t", "zone": "Europe/Berlin"}
AUTUMN = "2025-10-26"


def read(folder: Path, lines: list[str], **time: Any) -> tuple[list[Record], list[BadRow], FileNotes]:
    path = folder / "a.csv"
    path.write_text("d,t,v\n" + "".join(f"{line},1\n" for line in lines))
    mapping = Mapping.model_validate(
        {"about": "x", "device": {"column": "d"}, "time": BERLIN | time, "metrics": {"v": "v"}}
    )
    bad: list[BadRow] = []
    notes = FileNotes(path)
    return list(read_rows(path, mapping, time_reader(mapping.time), bad.append, notes)), bad, notes


def utc(records: list[Record], device: str = "a") -> list[str]:
    return [to_iso(one.time_ms)[11:16] for one in records if one.device_id == device]


def day(*clocks: str, device: str = "a") -> list[str]:
    return [f"{device},{AUTUMN} {clock}" for clock in clocks]


@pytest.mark.parametrize(
    ("clocks", "wanted"),
    [
        (
            ["01:30", "02:00", "02:30", "02:00", "02:30", "03:00"],
            ["23:30", "00:00", "00:30", "01:00", "01:30", "02:00"],
        ),
        # Hourly, so that only the equal time says it.
        (["01:00", "02:00", "02:00", "03:00"], ["23:00", "00:00", "01:00", "02:00"]),
        # The newest first.
        (
            ["03:00", "02:30", "02:00", "02:30", "02:00", "01:30"],
            ["02:00", "01:30", "01:00", "00:30", "00:00", "23:30"],
        ),
        # Sorted by local time in a spreadsheet.
        (
            ["01:30", "02:00", "02:00", "02:30", "02:30", "03:00"],
            ["23:30", "00:00", "01:00", "00:30", "01:30", "02:00"],
        ),
        # The file begins or ends within the hour.
        (["02:30", "02:00", "02:30", "03:00"], ["00:30", "01:00", "01:30", "02:00"]),
        (["01:00", "02:15", "02:45", "02:00"], ["23:00", "00:15", "00:45", "01:00"]),
    ],
)
def test_the_order_of_rows_tells_the_two_passes_of_the_hour_apart(
    tmp_path: Path, clocks: list[str], wanted: list[str]
) -> None:
    records, bad, notes = read(tmp_path, day(*clocks))
    assert (utc(records), bad, notes.undecided_rows) == (wanted, [], [])


def test_each_device_goes_by_its_own_rows(tmp_path: Path) -> None:
    a, b = day("01:30", "02:30", "02:30", "03:00"), day("02:30", "02:10", "02:40", "03:10", device="b")
    lines = [line for pair in zip(a, b, strict=True) for line in pair]
    records, _, notes = read(tmp_path, lines)
    assert utc(records) == ["23:30", "00:30", "01:30", "02:00"]
    assert utc(records, "b") == ["00:30", "01:10", "01:40", "02:10"]
    assert [one.row for one in records] == list(range(1, 9))
    assert notes.undecided_rows == []


def test_what_stays_ambiguous_is_named_with_its_rows(tmp_path: Path) -> None:
    lines = [*day("01:45", "02:15", "02:30", "03:00"), "a,2026-10-25 02:59"]
    records, bad, notes = read(tmp_path, lines)
    assert utc(records) == ["23:45", "00:15", "00:30", "02:00", "00:59"]
    assert bad == []
    (said,) = notes.lines()
    assert "rows 2-3, 5 (lines 3-4, 6)" in said
    assert "time.ambiguous" in said


@pytest.mark.parametrize(("choice", "wanted"), [("earlier", ["00:15"]), ("later", ["01:15"]), ("refuse", [])])
def test_the_mapping_may_say_which_of_the_two_it_is(tmp_path: Path, choice: str, wanted: list[str]) -> None:
    records, bad, notes = read(tmp_path, day("02:15"), ambiguous=choice)
    assert utc(records) == wanted
    assert [one.error.what for one in bad] == (
        [] if wanted else [f"{AUTUMN} 02:15:00 was twice in Europe/Berlin, and `ambiguous: refuse` is set"]
    )
    assert notes.undecided_rows == []


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Europe/Dublin"]
)
def test_a_time_that_never_was_is_refused_and_its_neighbours_are_not(tmp_path: Path, zone: str) -> None:
    moment = {
        "Europe/Berlin": "2025-03-30 02:%s",
        "America/New_York": "2025-03-09 02:%s",
        "Australia/Lord_Howe": "2025-10-05 02:%s",
        "Europe/Dublin": "2025-03-30 01:%s",
    }[zone]
    records, (bad,), _ = read(
        tmp_path, [f"a,{moment[:11]}00:59", f"a,{moment % '15'}", f"a,{moment[:11]}03:00"], zone=zone
    )
    assert len(records) == 2
    assert f"{moment % '15'}:00 never was in {zone}" in bad.error.what
    assert "line 3, column 't'" in bad.error.where


def test_a_shift_of_half_an_hour_repeats_half_an_hour(tmp_path: Path) -> None:
    lines = [f"a,2025-04-06 {clock}" for clock in ("01:15", "01:45", "01:45", "02:15")]
    records, _, notes = read(tmp_path, lines, zone="Australia/Lord_Howe")
    assert utc(records) == ["14:15", "14:45", "15:15", "15:45"]
    assert notes.undecided_rows == []


def test_a_time_with_its_own_offset_and_a_fixed_zone_know_no_repeated_hour(tmp_path: Path) -> None:
    records, bad, notes = read(tmp_path, [f"a,{AUTUMN}T02:15+02:00", f"a,{AUTUMN}T02:15+01:00"])
    assert utc(records) == ["00:15", "01:15"]
    records, bad, notes = read(tmp_path, ["a,2025-03-30 02:15", *day("02:15")], zone="+01:00")
    assert (utc(records), bad, notes.undecided_rows) == (["01:15", "01:15"], [], [])


def test_columns_of_the_calendar_know_the_repeated_hour_too(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "y,m,d,h,v\n" + "".join(f"2025,10,26,{hour},1\n" for hour in ("1", "2", "2.0", "03", "24", "1_0"))
    )
    mapping = Mapping.model_validate(
        {
            "about": "x",
            "device": {"constant": "a"},
            "time": {
                "columns": {"year": "y", "month": "m", "day": "d", "hour": "h"},
                "zone": "Europe/Berlin",
            },
            "metrics": {"v": "v"},
        }
    )
    bad: list[BadRow] = []
    records = list(read_rows(path, mapping, time_reader(mapping.time), bad.append))
    assert utc(records) == ["23:00", "00:00", "01:00", "02:00", "23:00"]
    assert "'1_0' is no number" in bad[0].error.what


def test_a_device_that_never_leaves_the_hour_is_decided_when_many_rows_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeated_hour, "MOST_WAITING", 3)
    lines = [*day("02:30", "02:30"), *day("01:00", "03:00", "04:00", "05:00", device="b")]
    records, _, _ = read(tmp_path, lines)
    assert utc(records) == ["00:30", "01:30"]
    assert [one.row for one in records] == list(range(1, 7))


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        ([], []),
        ([1], [None]),
        ([1, 2, 3], [None, None, None]),
        ([1, 2, 3, 1, 2, 3], [0, 0, 0, 1, 1, 1]),
        ([1, 1], [0, 1]),
        ([1, 1, 2], [0, 1, 1]),
        ([1, 1, 2, 2], [0, 1, 0, 1]),
        ([2, 1, 3, 2, 1], [0, 0, None, 1, 1]),
    ],
)
def test_passes_are_told_apart_by_order_alone(times: list[int], wanted: list[int | None]) -> None:
    assert passes(times) == wanted
    assert passes([-time for time in reversed(times)], descending=True)[::-1] == passes(
        [-time for time in times]
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"{AUTUMN}T24:00:00", "2025-10-26T23:00:00Z"),
        (f"{AUTUMN} 24:00", "2025-10-26T23:00:00Z"),
        (f" {AUTUMN} 12:00 ", "2025-10-26T11:00:00Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        (f"{AUTUMN}", "2025-10-25T22:00:00Z"),
    ],
)
def test_the_end_of_a_day_and_a_leap_second_are_the_start_of_the_next(
    tmp_path: Path, text: str, wanted: str
) -> None:
    records, bad, _ = read(tmp_path, [f"a,{text}"])
    assert ([one.time_ms for one in records], bad) == ([from_iso(wanted)], [])


@pytest.mark.parametrize(
    "text", ["", "never", "2025-13-01", "2025-02-30", "2025-10-26 25:00", "1700000000", "２０２５-10-26"]
)
def test_what_is_no_time_is_refused_with_its_column(tmp_path: Path, text: str) -> None:
    _, (bad,), _ = read(tmp_path, [f"a,{text}"])
    assert "is no time of format 'iso'" in bad.error.what
    assert bad.error.where.endswith("line 2, column 't'")


@pytest.mark.parametrize(
    ("format", "text", "said"),
    [
        ("epoch_s", "1577836740000", "looks like milliseconds, not like seconds: set `format: epoch_ms`"),
        ("epoch_ms", "1577836740", "looks like seconds, not like milliseconds: set `format: epoch_s`"),
        ("epoch_ms", "1577836740000000", "looks like microseconds"),
        ("epoch_s", "1577836740000000000", "looks like nanoseconds"),
        ("epoch_s", "1_577_836_740", "is no number"),
        ("epoch_ms", "nan", "is no number"),
        ("epoch_s", "99999999999999999999999", "beyond the calendar"),
    ],
)
def test_a_number_of_another_unit_is_refused_with_the_unit_it_looks_like(
    tmp_path: Path, format: str, text: str, said: str
) -> None:
    _, (bad,), _ = read(tmp_path, [f"a,{text}"], format=format)
    assert said in bad.error.what


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("epoch_s", "1577836740.125"),
        ("epoch_ms", "1577836740125"),
        ("epoch_ms", "1577836740125.0"),
        ("epoch_us", "1577836740125000"),
        ("epoch_ns", "1577836740125000001"),
    ],
)
def test_every_unit_of_epoch_time_is_the_same_moment(tmp_path: Path, format: str, text: str) -> None:
    records, bad, _ = read(tmp_path, [f"a,{text}"], format=format)
    assert ([one.time_ms for one in records], bad) == ([1_577_836_740_125], [])


def test_without_anybody_to_take_it_a_time_that_never_was_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("t,v\n2025-03-30 02:15,1\n")
    mapping = Mapping.model_validate(
        {"about": "x", "device": {"constant": "a"}, "time": BERLIN, "metrics": {"v": "v"}}
    )
    with pytest.raises(MillraceError, match="never was in Europe/Berlin"):
        list(read_rows(path, mapping, time_reader(mapping.time)))
