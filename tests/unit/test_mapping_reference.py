"""docs/mappings.md against the model and the reader, and `millrace mapping check`."""

import json
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from ingest.backfill.checking import as_json, check
from ingest.mapping_commands import app
from ingest.replay.mapping import (
    Attribute,
    Csv,
    Device,
    Mapping,
    Metric,
    Part,
    Place,
    Places,
    Sheet,
    Time,
    load_mapping,
)
from millrace.clock import now_ms
from millrace.errors import MillraceError

pytestmark = pytest.mark.replay

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "mappings.md").read_text()
BLOCKS = re.findall(r"```(yaml mapping|csv file|json readings)\n(.*?)```", PAGE, re.DOTALL)
PARTS: dict[str, list[type[Part]]] = {
    "The mapping": [Mapping],
    "`csv`": [Csv],
    "`sheet`": [Sheet],
    "`device`": [Device],
    "`time`": [Time],
    "`metrics`": [Metric],
    "`attributes`": [Attribute],
    "`location`": [Places, Place],
}


@pytest.mark.parametrize("section", PARTS)
def test_the_page_has_every_key_and_no_other(section: str) -> None:
    text = PAGE.partition(f"### {section}\n")[2].partition("\n## ")[0].partition("\n### ")[0]
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == [
        name for part in PARTS[section] for name in part.model_fields
    ]


@pytest.mark.parametrize("text", [text for kind, text in BLOCKS if kind == "yaml mapping"])
def test_every_mapping_of_the_page_is_one(text: str) -> None:
    assert Mapping.model_validate(yaml.safe_load(text)).about


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_the_files_of_the_page_give_its_readings(tmp_path: Path, encoding: str) -> None:
    shown = 0
    for (_, mapping), (kind, content), (_, readings) in zip(BLOCKS, BLOCKS[1:], BLOCKS[2:], strict=False):
        if kind == "csv file":
            path = tmp_path / "file.csv"
            path.write_bytes(content.encode(encoding))
            found = check(path, Mapping.model_validate(yaml.safe_load(mapping)), now_ms())
            assert as_json(found)["first"] == json.loads(readings)
            shown += 1
    assert shown == 2


FILE = "Zeit;T;Ort\n" + "".join(
    f"2025-01-01T00:{minute:02};{value};x\n"
    for minute, value in enumerate(["1,5", *map(str, range(20)), "", "warm", "1_0"])
)
TEXT = """
about: a test
csv: {decimal: comma}
device: {constant: d}
time: {column: Zeit, zone: UTC}
metrics: {t: T, p: {column: Drck, optional: true}}
location: {by_device: {e: {lat: 1, lon: 2}}}
"""


def written(folder: Path, text: str = TEXT, file: str = FILE) -> list[str]:
    (folder / "file.csv").write_text(file)
    (folder / "m.yaml").write_text(text)
    return [str(folder / "file.csv"), str(folder / "m.yaml")]


def test_a_check_shows_ten_readings_and_counts_refusals_by_reason_within_80_columns(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["check", *written(tmp_path)])
    assert answer.exit_code == 0
    assert answer.stdout.count("    t=") == 10
    assert "    t=1.5\n" in answer.stdout
    assert "21 readings of 1 device" in answer.stdout
    assert "1 row without any metric would be skipped" in answer.stdout
    assert "2 rows would be refused\n  bad_row 2\n" in answer.stdout
    assert "line 24, column 'T': 'warm' is no finite number" in answer.stdout
    assert "optional column 'Drck' is not in the file" in answer.stdout
    assert "columns no key names: Ort" in answer.stdout
    assert "location.by_device names devices the file does not have: e" in answer.stdout
    assert [line for line in answer.stdout.splitlines() if len(line) > 80 or "…" in line] == []


def test_a_check_counts_what_the_gateway_would_refuse_too(tmp_path: Path) -> None:
    file = "Zeit;T\n2025-01-01T00:00;1\n1999-01-01T00:00;1\n2999-01-01T00:00;1\n"
    answer = CliRunner().invoke(app, ["check", *written(tmp_path, file=file), "--json"])
    found = json.loads(answer.stdout)
    assert {one["reason"]: one["count"] for one in found["refused"]} == {
        "bad_event_time": 1,
        "future_event_time": 1,
    }
    assert (found["rows"], found["readings"]) == (3, 1)


def test_a_check_without_any_reading_fails(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["check", *written(tmp_path, file="Zeit;T\n1;2\n")]).exit_code == 1


@pytest.mark.parametrize(
    ("change", "to", "said"),
    [
        (
            "csv: {decimal",
            "csv: {decmal",
            "unknown key 'decmal' (did you mean 'decimal'?); allowed: separator, decimal",
        ),
        ("csv: {decimal: comma}", "csv: {sep: ;}", "unknown key 'sep' (did you mean 'separator'?)"),
        ("csv: {decimal: comma}", "csv: {na_values: x}", "(did you mean 'missing'?)"),
        (
            "metrics: {t: T,",
            "metrics: {t: {colum: T},",
            "metrics.t: unknown key 'colum' (did you mean 'column'?)",
        ),
        ("zone: UTC", "zone: UTC, tz: UTC", "unknown key 'tz' (did you mean 'zone'?)"),
        ("about:", "abot: x\nabout:", "unknown key 'abot' (did you mean 'about'?)"),
        ("csv: {decimal: comma}", "csv: {decimal: comma, thousands: comma}", "cannot be the same sign"),
        ("csv: {decimal: comma}", "csv: {encoding: ansi}", "unknown encoding 'ansi'; write auto, utf-8"),
        ("csv: {decimal: comma}", "csv: {separator: ab}", "`separator` is one character"),
        ("csv: {decimal: comma}", "csv: ;", "these keys are expected here: separator"),
        ("t: T,", "t: T, t: U,", "the key 't' stands twice"),
        ("t: T,", "'1t': T,", "'1t' is no metric name"),
        ("t: T,", "t: {column: T, scale: '1_000'},", "'1_000' is neither a number"),
        ("t: T,", "t: {column: T, columns: [T]},", "`columns` go with a `formula`"),
        ("t: T,", "t: 0,", "columns are counted from 1"),
        ("constant: d", "constant: 7", "7 is no text: write it in quotes"),
        ("constant: d", "constant: a b", "'a b' is no device id"),
        ("zone: UTC", "zone: UTC, format: epoch_m", "unknown format 'epoch_m' (did you mean epoch_ms?)"),
        ("zone: UTC", "zone: Europe/Berln", "unknown time zone 'Europe/Berln'"),
        ("{column: Zeit, zone: UTC}", "{columns: {date: A}, zone: UTC}", "with date takes time"),
        ("zone: UTC", "", "time.zone: is required"),
        ("about: a test", "about: a\x07test", "control character U+0007"),
        ("about: a test", "about: [", "no YAML"),
    ],
)
def test_a_wrong_key_or_value_says_which_are_right(tmp_path: Path, change: str, to: str, said: str) -> None:
    assert change in TEXT
    _, path = written(tmp_path, TEXT.replace(change, to))
    with pytest.raises(MillraceError) as raised:
        load_mapping(path)
    assert said in raised.value.what
    assert str(path) in raised.value.where
    assert "Value error" not in str(raised.value)


@pytest.mark.parametrize(
    "content", ["about: Wärme".encode("cp1252"), b"\x89PNG\r\n\x1a\n\0", b"", b"- a\n", b"a: &x [*x"]
)
def test_a_mapping_of_wrong_bytes_is_one_sentence_with_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.yaml"
    path.write_bytes(content)
    with pytest.raises(MillraceError) as raised:
        load_mapping(str(path))
    assert str(path) in raised.value.where


@pytest.mark.parametrize("name", ["Temp.Hall-1", "a:b", "T_2"])
def test_metric_names_are_those_that_devices_may_send(tmp_path: Path, name: str) -> None:
    _, path = written(tmp_path, TEXT.replace("t: T,", f"'{name}': T,"))
    assert name in load_mapping(path).metrics
