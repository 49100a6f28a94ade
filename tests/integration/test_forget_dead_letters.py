"""A forgotten device is also gone from dead letters that name no device and hold its name in their bytes."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb
import pytest

from catalog.forgetting.lake_store import TableForgotten, forget_in_lake
from catalog.forgetting.owner import owner_of
from tests.integration.corrected_lake import TENANT, CorrectedLake

pytestmark = [pytest.mark.integration, pytest.mark.lakehouse]

T0_US: Final = 1_767_225_600_000_000
OWNER: Final = owner_of(TENANT, "dev-1")
HTTP: Final = "/v1/telemetry"
CBOR: Final = b"\xa2\x69device_id\x65dev-1\x61t\x07"


class Letter(NamedTuple):
    """A dead letter; the gateway took it `second` seconds after the first."""

    second: int
    tenant: str | None
    device_id: str | None
    original: bytes
    address: str = HTTP


class Given(NamedTuple):
    """A letter, whether it goes, and why."""

    letter: Letter
    goes: bool
    why: str


# Commits as the stream made them: the third out of order, its first letter the same bytes once more.
COMMITS: Final = [
    [
        Given(Letter(1, TENANT, "dev-1", b"x"), True, "it names the device itself"),
        Given(Letter(2, TENANT, None, b'{"device_id":"dev-1","temp":1}'), True, "a whole text"),
        Given(Letter(3, TENANT, None, b'{"device_id":"dev-10","temp":1}'), False, "another device"),
        Given(Letter(4, "other", None, b'{"device_id":"dev-1","temp":1}'), False, "another tenant"),
        Given(Letter(5, "other", "dev-1", b"x"), False, "another tenant's device"),
    ],
    [
        Given(Letter(6, TENANT, None, b'[{"device_id":"dev-2"},{"device_id":"dev-1"}'), True, "with others"),
        Given(Letter(7, TENANT, None, CBOR), True, "not JSON"),
        Given(Letter(8, TENANT, None, CBOR.replace(b"\x65dev-1", b"\x66dev-10")), False, "not JSON, another"),
        Given(Letter(9, TENANT, None, gzip.compress(b"dev-1,20.5\n")), True, "a batch too large, in gzip"),
        Given(Letter(10, None, None, b"\xffdev-1\x00"), True, "of no tenant"),
        Given(Letter(11, None, None, b"\x00", "t/a b/dev-1/telemetry"), True, "in an address of no tenant"),
        Given(Letter(12, None, None, b"\x00", "t/a b/dev-10/telemetry"), False, "another address"),
    ],
    [
        Given(Letter(20, TENANT, None, b'{"device_id":"dev-1","temp":1}'), True, "the same bytes again"),
        Given(Letter(1, TENANT, None, b"dev-1;20.5"), True, "late"),
        Given(Letter(19, TENANT, "dev-2", b'{"device_id":"dev-1"}'), False, "another's that names it"),
        Given(Letter(18, None, None, b"\x00\x01"), False, "of nobody"),
    ],
    [Given(Letter(30, TENANT, None, b'{"device_id":"dev-3"}'), False, "a file without the device")],
]
ALL: Final = [one for commit in COMMITS for one in commit]
GONE: Final = [offset for offset, one in enumerate(ALL) if one.goes]


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[CorrectedLake]:
    found = CorrectedLake(tmp_path)
    offset = 0
    for commit in COMMITS:
        found.append("dead_letters", [_row(one.letter, offset + n) for n, one in enumerate(commit)])
        offset += len(commit)
    yield found
    found.close()


def _row(letter: Letter, offset: int) -> dict[str, Any]:
    place = {"kafka_partition": 0, "kafka_offset": offset, "dead_letter_id": f"0-{offset}"}
    said = {"reason": "unknown_field", "detail": "temp", "source": "http"}
    fields = letter._asdict()
    return {"received_at": T0_US + fields.pop("second") * 1_000_000} | fields | place | said


def forgotten(lake: CorrectedLake, name: str = "dev-1") -> TableForgotten:
    found = {one.table: one for one in forget_in_lake(lake.lake, owner_of(TENANT, name))}
    return found["iot.dead_letters"]


def in_files(lake: CorrectedLake) -> dict[int, bytes]:
    """Return the bytes at each offset in all Parquet files there are, whatever any snapshot says of them."""
    (folder,) = (one.parent for one in lake.folder.glob("iot*/**/data") if "dead_letters" in str(one))
    query = f"SELECT DISTINCT kafka_offset, original FROM read_parquet('{folder}/data/**/*.parquet')"
    with duckdb.connect() as connection:
        return dict(connection.execute(query).fetchall())


def test_each_letter_goes_or_stays_as_it_should_and_keeps_its_bytes(lake: CorrectedLake) -> None:
    assert sorted(in_files(lake)) == list(range(len(ALL)))
    forgotten(lake)
    rows = lake.rows("dead_letters")
    left = set(rows["kafka_offset"])
    assert [(one.why, n not in left) for n, one in enumerate(ALL)] == [(one.why, one.goes) for one in ALL]
    assert len(rows) == len(left)
    wanted = {n: one.letter.original for n, one in enumerate(ALL) if not one.goes}
    assert dict(zip(rows["kafka_offset"], rows["original"], strict=True)) == wanted
    assert in_files(lake) == wanted


def test_the_report_counts_apart_what_named_it_in_bytes_only(lake: CorrectedLake) -> None:
    found = forgotten(lake)
    assert (found.rows_before, found.rows_named_in_bytes, found.rows_after) == (len(GONE), len(GONE) - 1, 0)
    assert (found.files_before, found.files_after, found.is_clean) == (3, 0, True)
    assert len(found.snapshots_expired) > 0


def test_places_of_all_that_went_are_noted_for_the_ledger(lake: CorrectedLake) -> None:
    forgotten(lake)
    rows = lake.rows("forgotten")
    assert sorted(rows["kafka_offset"]) == GONE
    assert set(rows["topic"]) == {"telemetry.dead-letter"}


def test_asked_again_nothing_is_found_and_another_device_still_is(lake: CorrectedLake) -> None:
    forgotten(lake)
    again = forgotten(lake)
    assert (again.rows_before, again.rows_named_in_bytes, again.snapshots_expired) == (0, 0, ())
    other = forgotten(lake, "dev-10")
    assert (other.rows_before, other.rows_named_in_bytes, other.rows_after) == (3, 3, 0)
