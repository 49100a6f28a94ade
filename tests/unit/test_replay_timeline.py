from pathlib import Path

import pytest

from ingest.replay.mapping import Mapping
from ingest.replay.message import message_maker
from ingest.replay.rows import Record
from ingest.replay.session import Differing
from ingest.replay.timeline import Survey, TimeTransform, due_s, merged, survey, transform
from millrace.errors import MillraceError

MAPPING = Mapping.model_validate(
    {
        "about": "a test",
        "device": {"file_stem": True},
        "time": {"column": "t", "format": "epoch_s", "zone": "UTC"},
        "metrics": {"v": "v"},
    }
)
PLACES = [("export", 1), ("export", 2), ("export-copy", 1)]
SPAN = Survey(rows=3, empty=0, out_of_order=0, first_ms=1_000_000, last_ms=8_200_000)


def write(folder: Path, name: str, *seconds: int | str) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("t,v\n" + "".join(f"{second},1\n" for second in seconds))
    return path


def order(records: list[Record]) -> list[tuple[str, int]]:
    return [(record.label, record.time_ms // 1000) for record in records]


@pytest.mark.replay
def test_files_are_merged_by_event_time_and_ties_keep_file_order(tmp_path: Path) -> None:
    files = [write(tmp_path, "b.csv", 1, 5), write(tmp_path, "a.csv", 1, 2, 5)]
    found = order(list(merged(files, MAPPING)))
    assert found == [("b", 1), ("a", 1), ("a", 2), ("b", 5), ("a", 5)]


@pytest.mark.replay
def test_an_out_of_order_row_stays_where_its_device_sent_it(tmp_path: Path) -> None:
    files = [write(tmp_path, "a.csv", 10, 4, 11), write(tmp_path, "b.csv", 5, 11)]
    records = list(merged(files, MAPPING))
    assert order(records) == [("b", 5), ("a", 10), ("a", 4), ("a", 11), ("b", 11)]
    assert survey(records) == Survey(5, 0, 1, 4_000, 11_000)


@pytest.mark.replay
def test_the_limit_counts_merged_rows(tmp_path: Path) -> None:
    files = [write(tmp_path, "a.csv", 1, 3), write(tmp_path, "b.csv", 2, 4)]
    assert order(list(merged(files, MAPPING, 3))) == [("a", 1), ("b", 2), ("a", 3)]


@pytest.mark.replay
def test_rows_without_any_metric_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("t,v\n1,\n2,5\n")
    assert survey(merged([path], MAPPING)).empty == 1


@pytest.mark.replay
def test_two_daily_exports_of_one_name_are_replayed_together(tmp_path: Path) -> None:
    files = [write(tmp_path / "x", "0.csv", 1), write(tmp_path / "y", "0.csv", 2)]
    assert order(list(merged(files, MAPPING))) == [("0", 1), ("0", 2)]


@pytest.mark.replay
def test_an_empty_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MillraceError, match="no row to replay"):
        survey(merged([write(tmp_path, "a.csv")], MAPPING))


@pytest.mark.replay
@pytest.mark.parametrize(
    ("compress", "shift", "start_ms", "sent"),
    [
        (None, False, None, (1_000_000, 8_200_000)),
        (None, True, None, (92_800_000, 100_000_000)),
        (3600, False, None, (99_998_000, 100_000_000)),
        (3600, False, 5_000, (5_000, 7_000)),
        (None, False, 5_000, (5_000, 7_205_000)),
    ],
)
def test_time_is_kept_shifted_or_compressed(
    compress: int | None, shift: bool, start_ms: int | None, sent: tuple[int, int]
) -> None:
    time = transform(SPAN, compress=compress, shift_to_now=shift, start_ms=start_ms, now_ms=100_000_000)
    assert (time.at(SPAN.first_ms), time.at(SPAN.last_ms)) == sent


@pytest.mark.replay
def test_start_and_shift_to_now_exclude_each_other() -> None:
    with pytest.raises(MillraceError, match="exclude each other"):
        transform(SPAN, compress=None, shift_to_now=True, start_ms=1, now_ms=2)


@pytest.mark.replay
def test_a_message_says_nothing_of_the_file_and_the_row_it_came_from() -> None:
    make = message_maker(TimeTransform(), "p-", name_device=False)
    found = {make(Record(*place, 1_000, "d", {"v": 1.0}, None, None)).payload for place in PLACES}
    assert found == {b'{"event_time":1000,"metrics":{"v":1.0}}'}


@pytest.mark.replay
def test_a_replay_declares_what_becomes_of_other_values_unless_its_times_are_made_up() -> None:
    def payload(compress: int, on_conflict: str) -> bytes:
        time = TimeTransform(0, 0, compress)
        make = message_maker(time, "", name_device=False, on_conflict=on_conflict)
        return make(Record("a", 1, 1_000, "d", {"v": 1.0}, None, None)).payload

    assert payload(1, "replace").endswith(b',"on_conflict":"replace"}')
    assert b"on_conflict" not in payload(2, "replace") + payload(1, "both")


@pytest.mark.replay
def test_only_a_path_that_names_no_device_has_it_in_the_payload() -> None:
    message = message_maker(TimeTransform(), "p-", name_device=True)(Record("a", 1, 1, "d", {}, None, None))
    assert b'"device_id":"p-d"' in message.payload


@pytest.mark.replay
def test_speed_divides_the_time_between_readings() -> None:
    assert due_s(61_000, 1_000, 10) == 6.0


@pytest.mark.replay
def test_rows_of_one_time_that_differ_are_counted_and_named() -> None:
    differing = Differing()
    for row, (time_ms, value) in enumerate([(1_000, 1.0), (1_000, 1.0), (1_000, 2.0), (2_000, 3.0)], start=1):
        differing.note(Record("a", row, time_ms, "d", {"v": value}, None, None))
    about, named = differing.lines("replace")
    assert about.startswith("on_conflict replace: ")
    assert (
        named
        == "1 row with another value than one before for the time: d at 1970-01-01T00:00:01.000Z (row 3)"
    )
