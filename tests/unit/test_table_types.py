"""Rows of any writer get the Arrow schema of their table."""

import pyarrow as pa
import pytest

from catalog.table_types import concat_rows, to_table_types

TIME = pa.timestamp("us", tz="UTC")
ENTRY = pa.field("value", pa.float64(), nullable=False)
WANTED = pa.schema(
    [
        pa.field("device", pa.large_string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("at", TIME, nullable=False),
        pa.field("metrics", pa.map_(pa.large_string(), ENTRY)),
        pa.field("body", pa.large_binary()),
    ]
)
ROW = {"device": "pump", "offset": 7, "at": 1_000_000, "metrics": [("a", 1.5)], "body": b"\xff"}


def rows(**kinds: pa.DataType) -> pa.Table:
    """One row whose columns are written in other types than the table's."""
    plain = pa.Table.from_pylist([ROW], schema=WANTED)
    fields = [pa.field(field.name, kinds.get(field.name, field.type)) for field in WANTED]
    return plain.cast(pa.schema(fields))


WRITTEN = {
    "text": {"device": pa.string(), "body": pa.binary()},
    "dictionary": {"device": pa.dictionary(pa.int32(), pa.string())},
    "narrow": {"offset": pa.int32()},
    "zone": {"at": pa.timestamp("us", tz="+00:00")},
    "no_zone": {"at": pa.timestamp("us")},
    "unit": {"at": pa.timestamp("ms", tz="UTC")},
    "entries": {"metrics": pa.map_(pa.string(), pa.field("value", pa.float64()))},
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("is_first", [True, False])
def test_rows_of_two_writers_are_one_table(written: dict[str, pa.DataType], is_first: bool) -> None:
    pieces = [pa.Table.from_pylist([ROW], schema=WANTED), rows(**written)]
    found = concat_rows(pieces if is_first else reversed(pieces), WANTED)
    assert found.schema.equals(WANTED)
    assert found.to_pylist() == pieces[0].to_pylist() * 2


def test_columns_are_put_in_order_and_what_a_file_never_had_is_null() -> None:
    written = rows(device=pa.string()).select(["at", "offset", "device"])
    found = to_table_types(written.to_batches()[0], WANTED)
    assert found.schema.equals(WANTED)
    assert found.to_pylist()[0] == rows().to_pylist()[0] | {"metrics": None, "body": None}


def test_no_piece_is_an_empty_table_with_the_columns() -> None:
    assert concat_rows([], WANTED).schema.equals(WANTED)


def test_a_required_column_without_a_value_is_refused() -> None:
    with pytest.raises((ValueError, pa.ArrowInvalid)):
        concat_rows([rows().drop(["device"]), rows()], WANTED)
