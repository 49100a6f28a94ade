import gzip
from pathlib import Path
from typing import Any

import pytest

from ingest.replay.mapping import Mapping
from ingest.replay.moments import time_reader
from ingest.replay.rows import Record, read_rows
from millrace.clock import from_iso
from millrace.errors import MillraceError
from millrace.reading import Location

MAPPING: dict[str, Any] = {
    "about": "a test",
    "csv": {"separator": ";", "missing": ["", "NA"]},
    "device": {"column": "station"},
    "time": {"column": "t", "zone": "Asia/Shanghai"},
    "metrics": {
        "temperature_c": {"column": "T", "scale": "5/9", "offset": "-160/9"},
        "humidity_pct": {"formula": "relative_humidity_pct", "columns": ["A", "D"]},
    },
    "attributes": {"wind": {"column": "wd"}, "site": {"constant": "north"}},
    "location": {"by_device": {"s1": {"lat": 1.5, "lon": 2.5}}},
}
HEADER = "t;station;T;A;D;wd\n"


def rows(path: Path, text: str, **changes: Any) -> list[Record]:
    path.write_text(text)
    mapping = Mapping.model_validate(MAPPING | changes)
    return list(read_rows(path, mapping, time_reader(mapping.time)))


@pytest.mark.replay
def test_a_row_becomes_a_record_with_time_in_utc(tmp_path: Path) -> None:
    (record,) = rows(tmp_path / "a.csv", HEADER + "2020-01-01 08:00:00;s1;50;20;20;N\n")
    assert record.time_ms == from_iso("2020-01-01T00:00:00Z")
    assert (record.label, record.row, record.device_id) == ("a", 1, "s1")
    assert record.metrics == pytest.approx({"temperature_c": 10.0, "humidity_pct": 100.0})
    assert record.location == Location(lat=1.5, lon=2.5)
    assert record.attributes == {"wind": "N", "site": "north"}


@pytest.mark.replay
def test_a_missing_value_is_absent_and_takes_its_formula_along(tmp_path: Path) -> None:
    (record,) = rows(tmp_path / "a.csv", HEADER + "2020-01-01;s2;50;20;NA;NA\n")
    assert list(record.metrics) == ["temperature_c"]
    assert record.location is None
    assert record.attributes == {"site": "north"}


@pytest.mark.replay
def test_gzip_and_windows_line_ends_and_blank_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(
        gzip.compress((HEADER + "2020-01-01;s1;1;;;\n\n2020-01-02;s1;2;;;\n").replace("\n", "\r\n").encode())
    )
    mapping = Mapping.model_validate(MAPPING)
    found = list(read_rows(path, mapping, time_reader(mapping.time)))
    assert [(record.label, record.row) for record in found] == [("a", 1), ("a", 2)]


@pytest.mark.replay
@pytest.mark.parametrize(
    ("line", "place", "said"),
    [
        ("2020-01-01;s1;warm;20;20;N", "line 3, column 'T'", "'warm' is no finite number"),
        ("2020-01-01;s1;1;20;inf;N", "line 3, column 'D'", "'inf' is no finite number"),
        ("01.01.2020;s1;1;20;20;N", "line 3, column 't'", "is no time"),
        ("2020-01-01;s1", "line 3", "the row has 2 columns, the header 6"),
    ],
)
def test_a_wrong_row_names_file_line_and_column(tmp_path: Path, line: str, place: str, said: str) -> None:
    with pytest.raises(MillraceError) as raised:
        rows(tmp_path / "a.csv", HEADER + "2020-01-01;s1;1;20;20;N\n" + line + "\n")
    assert f"a.csv, {place}" in raised.value.where
    assert said in raised.value.what


@pytest.mark.replay
def test_a_wrong_separator_shows_the_header_it_found(tmp_path: Path) -> None:
    with pytest.raises(MillraceError, match=r"no column 'T'; the header has: t,station,T"):
        rows(tmp_path / "a.csv", "t,station,T,A,D,wd\n2020-01-01,s1,1,2,3,N\n")


@pytest.mark.replay
def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    mapping = Mapping.model_validate(MAPPING)
    with pytest.raises(MillraceError, match="cannot be read: No such file"):
        list(read_rows(tmp_path / "none.csv", mapping, time_reader(mapping.time)))


@pytest.mark.replay
@pytest.mark.parametrize(
    ("time", "columns", "row"),
    [
        ({"column": "t", "format": "%d/%m/%Y %H:%M", "zone": "UTC"}, "t", "31/12/2019 23:59"),
        ({"column": "t", "format": "epoch_s", "zone": "UTC"}, "t", "1577836740"),
        ({"column": "t", "format": "epoch_ms", "zone": "UTC"}, "t", "1577836740000"),
        ({"column": "t", "zone": "Asia/Shanghai"}, "t", "2019-12-31T23:59:00+00:00"),
        (
            {"columns": {"minute": "m", "year": "y", "day": "d", "month": "o", "hour": "h"}, "zone": "UTC"},
            "y;o;d;h;m",
            "2019;12;31;23;59",
        ),
    ],
)
def test_every_time_format_gives_the_same_moment(
    tmp_path: Path, time: dict[str, Any], columns: str, row: str
) -> None:
    changes = {"device": {"constant": "d"}, "metrics": {"v": "v"}, "attributes": {}, "time": time}
    (record,) = rows(tmp_path / "a.csv", f"{columns};v\n{row};1\n", **changes)
    assert record.time_ms == from_iso("2019-12-31T23:59:00Z")
