from pathlib import Path

import pytest

from ingest.replay.mapping import load_mapping, shipped_mappings
from millrace.errors import MillraceError

MINIMAL = """
about: a test
device: {constant: d}
time: {column: t, zone: UTC}
metrics: {temperature_c: T}
"""


def refusal(folder: Path, text: str) -> str:
    path = folder / "m.yaml"
    path.write_text(text)
    with pytest.raises(MillraceError) as raised:
        load_mapping(str(path))
    assert "m.yaml" in raised.value.where
    return str(raised.value)


@pytest.mark.replay
@pytest.mark.parametrize("name", shipped_mappings())
def test_every_shipped_mapping_loads_by_its_name(name: str) -> None:
    assert load_mapping(name).metrics


@pytest.mark.replay
def test_three_mappings_are_shipped() -> None:
    assert shipped_mappings() == ["air-quality", "nab-machine-temperature", "skab"]


@pytest.mark.replay
def test_a_metric_may_be_just_a_column_name(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(MINIMAL)
    assert load_mapping(str(path)).metrics["temperature_c"].column == "T"


@pytest.mark.replay
def test_a_fraction_is_an_exact_factor(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(MINIMAL.replace("T}", "{column: T, scale: 5/9, offset: -160/9}}"))
    metric = load_mapping(str(path)).metrics["temperature_c"]
    assert (metric.scale, metric.offset) == (5 / 9, -160 / 9)


@pytest.mark.replay
@pytest.mark.parametrize(
    ("change", "to", "said"),
    [
        ("zone: UTC", "zone: Mars/Base", "unknown time zone"),
        ("about:", "abuot:", "abuot"),
        ("{constant: d}", "{constant: d, column: x}", "exactly one of"),
        ("{column: t, zone: UTC}", "{zone: UTC}", "either `column` or `columns`"),
        ("T}", "{formula: eval, columns: [T]}}", "unknown formula 'eval'"),
        ("T}", "{formula: relative_humidity_pct, columns: [T]}}", "takes 2 columns"),
        ("T}", "{column: T, scale: __import__('os')}}", "neither a number nor a fraction"),
        ("temperature_c", "Temperature °C", "metrics"),
        ("device:", "device: [", "no YAML"),
    ],
)
def test_a_wrong_mapping_is_refused_with_the_place(tmp_path: Path, change: str, to: str, said: str) -> None:
    assert said in refusal(tmp_path, MINIMAL.replace(change, to))


@pytest.mark.replay
def test_an_unknown_name_lists_the_shipped_mappings() -> None:
    with pytest.raises(MillraceError, match=r"no mapping 'air-qualty'.*air-quality, nab"):
        load_mapping("air-qualty")
