"""CSV and workbooks as offices write them."""

import gzip
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from ingest.replay.mapping import Mapping
from ingest.replay.moments import time_reader
from ingest.replay.rows import BadRow, Record, read_rows
from ingest.replay.table import FileNotes
from millrace.clock import from_iso
from millrace.errors import MillraceError

pytestmark = pytest.mark.replay

OFFICE: dict[str, Any] = {
    "about": "a German office",
    "csv": {"decimal": "comma"},
    "device": {"constant": "d"},
    "time": {"column": "Zeit", "format": "%d.%m.%Y %H:%M", "zone": "UTC"},
    "metrics": {"temperature_c": "Wärme", "power_w": {"column": "Leistung", "optional": True}},
}


def read(path: Path, content: str | bytes, **changes: Any) -> tuple[list[Record], list[BadRow], FileNotes]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_file(path, **changes)


def read_file(path: Path, **changes: Any) -> tuple[list[Record], list[BadRow], FileNotes]:
    mapping = Mapping.model_validate(OFFICE | changes)
    bad: list[BadRow] = []
    notes = FileNotes(path)
    return list(read_rows(path, mapping, time_reader(mapping.time), bad.append, notes)), bad, notes


def values(records: list[Record]) -> list[float]:
    return [record.metrics["temperature_c"] for record in records]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("named", [True, False])
def test_every_encoding_of_an_office_is_read_by_name_and_found_without(
    tmp_path: Path, encoding: str, named: bool
) -> None:
    text = "Zeit;Wärme\n01.02.2025 10:00;21,5\n"
    csv = {"decimal": ",", "encoding": encoding} if named else {"decimal": ","}
    records, bad, notes = read(tmp_path / "a.csv", text.encode(encoding), csv=csv)
    assert (values(records), bad) == ([21.5], [])
    assert notes.form.endswith("separator semicolon")


def test_gzip_is_seen_by_its_bytes_and_not_by_its_name(tmp_path: Path) -> None:
    text = gzip.compress("Zeit;Wärme\n01.02.2025 10:00;21,5\n".encode("cp1252"))
    assert values(read(tmp_path / "a.csv", text)[0]) == [21.5]


@pytest.mark.parametrize(
    ("content", "csv", "place", "said"),
    [
        (b"Zeit;W\xe4rme\n", {"encoding": "utf-8"}, "line 1", "is not utf-8"),
        (b"Zeit;W\xc3\xa4rme\n1;2\n3;\xe4\n", {}, "line 3", "byte 0xe4 is no UTF-8"),
        (b"Zeit;T\n1;2\n3;\x81\n", {}, "line 3", "neither UTF-8 nor cp1252"),
        (b"Zeit;T\n" + b"1;2\n" * 9000 + b"3;\x81\n", {"encoding": "cp1252"}, "line 9002", "is not cp1252"),
        ("Zeit;Wärme\n".encode("utf-16"), {"encoding": "cp1252"}, "line 1", "begins with the mark of utf-16"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), {}, "line 3", "no text"),
        (b"Zeit;T\n" + bytes(2000), {}, "line 2", "no text"),
        (gzip.compress(b"Zeit;T\n" + b"1;2\n" * 90_000, mtime=0)[:-300], {}, "a.csv", "damaged or cut off"),
        (gzip.compress(b"Zeit;T\n", mtime=0)[:12], {}, "a.csv", "damaged or cut off"),
        (
            b'Zeit;T\n1;2\n1;"3\n4;5\n',
            {"separator": ";"},
            "line 4",
            "a quote that was opened is never closed",
        ),
        (b"PK\x03\x04 no workbook", {}, "a.csv", "the workbook cannot be read"),
        (b"", {}, "line 1", "the header has: nothing"),
    ],
)
def test_wrong_bytes_are_one_sentence_with_the_line(
    tmp_path: Path, content: bytes, csv: dict[str, str], place: str, said: str
) -> None:
    with pytest.raises(MillraceError) as raised:
        read(
            tmp_path / "a.csv",
            content,
            csv=csv,
            metrics={"t": {"column": "T", "optional": True}, "w": "Zeit"},
        )
    assert place in raised.value.where
    assert said in raised.value.what
    assert raised.value.mend


@pytest.mark.parametrize(
    ("csv", "text", "number"),
    [
        ({"decimal": ","}, "21,5", 21.5),
        ({"decimal": ","}, "-,5", -0.5),
        ({"decimal": ",", "thousands": "."}, "1.234.567,25", 1234567.25),
        ({"decimal": ",", "thousands": "."}, "1234,5", 1234.5),
        ({"decimal": "comma", "thousands": "space"}, "1 234,5", 1234.5),
        ({"decimal": "comma", "thousands": "space"}, "1\u00a0234\u202f567", 1234567.0),
        ({"thousands": "apostrophe"}, "1'234.5", 1234.5),
        ({"thousands": "apostrophe"}, "1’234.5", 1234.5),
        ({"thousands": ","}, '"1,234.5"', 1234.5),
        ({}, " 1.5 ", 1.5),
        ({}, "\u22121.5", -1.5),
        ({}, "+1.5e3", 1500.0),
        ({}, ".5", 0.5),
    ],
)
def test_numbers_are_read_as_the_mapping_says_they_are_written(
    tmp_path: Path, csv: dict[str, str], text: str, number: float
) -> None:
    content = f"Zeit;Wärme;Leistung\n01.02.2025 10:00;{text};1\n"
    assert values(read(tmp_path / "a.csv", content, csv=csv)[0]) == [number]


@pytest.mark.parametrize(
    ("csv", "text"),
    [
        ({}, "1_000"),
        ({}, "1,5"),
        ({}, "٣"),
        ({}, "nan"),
        ({}, "Infinity"),
        ({}, "1e999"),
        ({}, "0x10"),
        ({"decimal": ","}, "1.5"),
        ({"decimal": ","}, "1_000,5"),
        ({"decimal": ",", "thousands": "."}, "1.5"),
        ({"decimal": ",", "thousands": "."}, "12.34,5"),
        ({"decimal": ",", "thousands": "."}, "1_000"),
    ],
)
def test_what_is_no_number_of_the_file_is_refused_with_its_column(
    tmp_path: Path, csv: dict[str, str], text: str
) -> None:
    content = f"Zeit;Wärme;Leistung\n01.02.2025 10:00;{text};1\n01.02.2025 11:00;2;3\n"
    records, (bad,), _ = read(tmp_path / "a.csv", content, csv=csv)
    assert values(records) == [2.0]
    assert "is no finite number" in bad.error.what
    assert bad.error.where.endswith("line 2, column 'Wärme'")


def test_sep_line_comments_blank_rows_and_blanks_around_names_are_seen_through_and_counted(
    tmp_path: Path,
) -> None:
    content = (
        "sep=;\r\n# exported\r\n\r\n Zeit ; Wärme\u00a0;\r\n01.02.2025 10:00;1;\r\n;;\r\n\r\n # note; 1\r\n"
        "01.02.2025 11:00;2;\r\n ; ;\r\n01.02.2025 12:00;x;\r\n"
    )
    records, (bad,), notes = read(tmp_path / "a.csv", content, csv={"comment": "#", "decimal": ","})
    assert values(records) == [1.0, 2.0]
    assert [record.row for record in records] == [1, 2]
    assert (notes.blank_rows, notes.comment_lines) == (3, 2)
    assert "line 11" in bad.error.where
    assert list(notes.lines()) == ["a.csv: 3 blank rows skipped", "a.csv: 2 comment lines skipped"]


def test_a_quoted_field_may_hold_line_ends_and_lines_are_counted_right(tmp_path: Path) -> None:
    content = 'Zeit;"Wärme\n";Bemerkung\n01.02.2025 10:00;1;"erst\n# dann\nso"\n01.02.2025 11:00;x;""\n'
    records, (bad,), notes = read(
        tmp_path / "a.csv", content, csv={"comment": "#"}, attributes={"note": "Bemerkung"}
    )
    assert records[0].attributes == {"note": "erst\n# dann\nso"}
    assert "line 6" in bad.error.where
    assert notes.comment_lines == 0


def test_lines_above_the_header_are_skipped_by_number(tmp_path: Path) -> None:
    content = 'Station "Nord\nseit 2020\nZeit;Wärme\n01.02.2025 10:00;1\n01.02.2025 11:00;x\n'
    records, (bad,), _ = read(tmp_path / "a.csv", content, skip_rows=2)
    assert values(records) == [1.0]
    assert "line 5" in bad.error.where


def test_without_a_header_columns_are_given_by_position(tmp_path: Path) -> None:
    records, bad, _ = read(
        tmp_path / "a.csv",
        "01.02.2025 10:00;1,5\n01.02.2025 11:00;2\n",
        header=False,
        time={"column": 1, "format": "%d.%m.%Y %H:%M", "zone": "UTC"},
        metrics={"temperature_c": 2},
    )
    assert (values(records), bad) == ([1.5, 2.0], [])


@pytest.mark.parametrize(
    ("separator", "sign"), [("tab", "\t"), ("pipe", "|"), ("auto", ","), ("auto", "|"), (";", ";")]
)
def test_the_separator_is_named_or_found(tmp_path: Path, separator: str, sign: str) -> None:
    content = f"Zeit{sign}Wärme\n01.02.2025 10:00{sign}1.5\n"
    assert values(read(tmp_path / "a.csv", content, csv={"separator": separator})[0]) == [1.5]


def test_a_header_name_that_stands_twice_is_named_and_may_be_given_by_position(tmp_path: Path) -> None:
    content = "Zeit;Wärme;Wärme\n01.02.2025 10:00;1;2\n"
    with pytest.raises(MillraceError, match=r"'Wärme' more than once: columns 2 and 3.*column: 2"):
        read(tmp_path / "a.csv", content)
    assert values(read(tmp_path / "a.csv", content, metrics={"temperature_c": 3})[0]) == [2.0]


def test_a_misspelt_column_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(
        MillraceError, match=r"no column 'Wärme'; the header has: Zeit, Waerme.*Did you mean 'Waerme'"
    ):
        read(tmp_path / "a.csv", "Zeit;Waerme\n01.02.2025 10:00;1\n")


def test_ragged_rows_are_refused_and_blank_columns_at_the_end_are_none(tmp_path: Path) -> None:
    content = "Zeit;Wärme;Leistung\n01.02.2025 10:00;1\n01.02.2025 11:00;2;3;\n01.02.2025 12:00;2;3;4\n"
    records, bad, _ = read(tmp_path / "a.csv", content)
    assert values(records) == [2.0]
    assert [one.error.what for one in bad] == [
        "the row has 2 columns, the header 3",
        "the row has 4 columns, the header 3",
    ]
    assert bad[0].text == "01.02.2025 10:00;1"


def test_an_optional_column_with_blanks_around_its_name_is_there(tmp_path: Path) -> None:
    records, _, _ = read(tmp_path / "a.csv", "Zeit;Wärme; Leistung \n01.02.2025 10:00;1;7\n")
    assert records[0].metrics == {"temperature_c": 1.0, "power_w": 7.0}


def test_a_number_among_the_missing_is_missing_however_it_is_written(tmp_path: Path) -> None:
    content = (
        "Zeit;Wärme;Leistung\n01.02.2025 10:00;-999,0;1\n01.02.2025 11:00;-999;1\n01.02.2025 12:00; NA ;1\n"
    )
    records, bad, _ = read(tmp_path / "a.csv", content, csv={"decimal": ",", "missing": [-999, "NA"]})
    assert [list(record.metrics) for record in records] == [["power_w"]] * 3
    assert bad == []


def test_a_nul_in_a_row_refuses_the_row_alone(tmp_path: Path) -> None:
    content = "Zeit;Wärme;Ort\n01.02.2025 10:00;1;a\0\n01.02.2025 11:00;2\0;b\n01.02.2025 12:00;3;c\n"
    records, bad, _ = read(tmp_path / "a.csv", content, attributes={"ort": "Ort"})
    assert values(records) == [3.0]
    assert "NUL" in bad[0].error.what
    assert "no finite number" in bad[1].error.what


def test_a_date_and_a_time_column_are_one_moment(tmp_path: Path) -> None:
    clock = {"columns": {"date": "Datum", "time": "Uhrzeit"}, "format": "%d.%m.%Y %H:%M", "zone": "+01:00"}
    records, bad, _ = read(
        tmp_path / "a.csv", "Datum;Uhrzeit;Wärme\n01.02.2025;10:00;1\n01.02.2025;24:00;2\n", time=clock
    )
    assert [one.time_ms for one in records] == [
        from_iso("2025-02-01T09:00:00Z"),
        from_iso("2025-02-01T23:00:00Z"),
    ]
    assert bad == []


def workbook(path: Path) -> Path:
    book = openpyxl.Workbook()
    notes = book.active
    assert notes is not None
    notes.title = "Notizen"
    sheet = book.create_sheet("Daten")
    for row in (
        ["Anlage Nord"],
        ["Zeit", "Wärme ", "Gerät", "läuft", "Datum", "Uhr"],
        [datetime.fromisoformat("2025-02-01T10:00:00.500"), 21.5, 1001, True, date(2025, 2, 1), time(10, 0)],
        [],
        [
            datetime.fromisoformat("2025-02-01T11:00"),
            "1.234,5",
            "x",
            False,
            date(2025, 2, 1),
            timedelta(hours=11),
        ],
        ["01.02.2025 12:00", 3, 7.0, True, "2025-02-01", "12:00"],
        [
            datetime.fromisoformat("2025-02-01T13:00"),
            datetime.fromisoformat("2025-02-01"),
            8,
            True,
            None,
            None,
        ],
        [45000.5, 3, 8, True, None, None],
        [None, 3, 8, True, None, None],
    ):
        sheet.append(row)
    book.save(path)
    return path


BOOK = {
    "csv": {"decimal": ",", "thousands": "."},
    "sheet": {"name": "Daten"},
    "skip_rows": 1,
    "device": {"column": "Gerät"},
    "metrics": {"temperature_c": "Wärme", "on": "läuft"},
}


def test_a_workbook_gives_dates_as_dates_and_numbers_as_numbers(tmp_path: Path) -> None:
    records, bad, notes = read_file(workbook(tmp_path / "a.xlsx"), **BOOK)
    assert [(one.device_id, one.metrics) for one in records] == [
        ("1001", {"temperature_c": 21.5, "on": 1.0}),
        ("x", {"temperature_c": 1234.5, "on": 0.0}),
        ("7", {"temperature_c": 3.0, "on": 1.0}),
    ]
    assert [one.time_ms for one in records] == [
        from_iso(f"2025-02-01T{clock}Z") for clock in ("10:00:00.500", "11:00:00", "12:00:00")
    ]
    assert notes.blank_rows == 1
    assert records[0].label == "a"
    assert [one.error.where.rpartition(", line ")[2] for one in bad] == [
        "7, column 'Wärme'", "8, column 'Zeit'", "9, column 'Zeit'"
    ]  # fmt: skip
    assert "format: excel" in bad[1].error.what


def test_a_workbook_may_have_its_date_and_its_time_in_two_cells(tmp_path: Path) -> None:
    clock = {"columns": {"date": "Datum", "time": "Uhr"}, "zone": "UTC"}
    records, _, _ = read_file(workbook(tmp_path / "a.xlsx"), **(BOOK | {"time": clock}))
    assert [one.time_ms for one in records] == [
        from_iso(f"2025-02-01T{hour}:00:00Z") for hour in (10, 11, 12)
    ]


def test_excels_own_number_of_a_day_is_read_when_asked_for(tmp_path: Path) -> None:
    clock = {"column": "Zeit", "format": "excel", "zone": "UTC"}
    records, _, _ = read(tmp_path / "a.csv", "Zeit;Wärme\n45000,5;1\n45000.5;1\n", time=clock)
    assert [one.time_ms for one in records] == [from_iso("2023-03-15T12:00:00Z")]


@pytest.mark.parametrize(
    ("sheet", "said"),
    [
        ({"name": "Date"}, "no sheet 'Date'.*Did you mean 'Daten'.*'Notizen', 'Daten'"),
        ({"number": 3}, "no sheet 3"),
    ],
)
def test_a_sheet_that_is_not_there_lists_those_that_are(
    tmp_path: Path, sheet: dict[str, Any], said: str
) -> None:
    with pytest.raises(MillraceError, match=said):
        read_file(workbook(tmp_path / "a.xlsx"), **(BOOK | {"sheet": sheet}))


@pytest.mark.parametrize(
    "content",
    [b"", b"Zeit;W\n1;2\n", b"PK\x03\x04" + bytes(50), b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)],
)
def test_a_file_that_is_no_workbook_though_its_name_says_so_is_one_sentence(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)
    with pytest.raises(MillraceError) as raised:
        read_file(path)
    assert "workbook" in raised.value.what
    assert raised.value.where == str(path)


def test_a_workbook_cut_short_is_one_sentence(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(MillraceError, match="the workbook cannot be read"):
        read_file(path)
