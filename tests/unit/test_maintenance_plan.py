"""Which files are joined, from their figures alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.maintenance.budget import FILES_PER_DAY, fitness
from catalog.maintenance.plan import DAY_MS, FileFigure, Policy, plan

pytestmark = pytest.mark.lakehouse

NOW_MS = 20_454 * DAY_MS + DAY_MS // 2
TODAY, LONG_AGO, LAST_MONTH = 20_454, 20_450, 20_420
KB, MB = 1 << 10, 1 << 20
POLICY = Policy(fan=4, target_bytes=64 * MB)


def file(name: str, size_bytes: int, day: int = TODAY, month: str = "m1", written_ms: int = 0) -> FileFigure:
    at_ms = day * DAY_MS + int(name) if name.isdigit() else day * DAY_MS
    return FileFigure(name, month, at_ms, at_ms + 1, size_bytes // 20, size_bytes, written_ms)


def files(
    count: int, size_bytes: int, day: int = TODAY, month: str = "m1", first: int = 0
) -> list[FileFigure]:
    return [file(str(first + place), size_bytes, day, month) for place in range(count)]


def names(found: list[list[FileFigure]]) -> list[list[str]]:
    return [[one.path for one in group] for group in found]


def test_today_s_files_wait_until_there_are_enough_of_a_size() -> None:
    assert plan(files(3, 20 * KB), POLICY, NOW_MS) == []
    assert names(plan(files(4, 20 * KB), POLICY, NOW_MS)) == [["0", "1", "2", "3"]]


def test_a_larger_file_is_not_rewritten_for_a_few_small_ones() -> None:
    found = plan([*files(4, 20 * KB), file("9", 3 * MB)], POLICY, NOW_MS)
    assert names(found) == [["0", "1", "2", "3"]]


def test_large_files_are_left_alone() -> None:
    assert plan(files(9, 40 * MB, LONG_AGO), POLICY, NOW_MS) == []


def test_a_day_that_is_over_becomes_one_file() -> None:
    found = plan([*files(2, MB, LONG_AGO), *files(2, MB, TODAY, first=5)], POLICY, NOW_MS)
    assert names(found) == [["0", "1"]]


def test_a_day_that_is_over_but_still_written_to_is_treated_as_today() -> None:
    fresh = [one._replace(written_ms=NOW_MS - 1_000) for one in files(3, 20 * KB, LONG_AGO)]
    assert plan(fresh, POLICY, NOW_MS) == []


def test_a_trickle_of_late_rows_does_not_rewrite_a_large_day_each_time() -> None:
    late = [file("1", KB, LONG_AGO), file("2", KB, LONG_AGO)]
    assert names(plan([file("0", 20 * MB, LONG_AGO), *late], POLICY, NOW_MS)) == [["1", "2"]]


def test_small_days_of_a_month_that_is_over_are_joined_with_each_other() -> None:
    month = [one for day in range(4) for one in files(1, MB, LAST_MONTH + day, "m0", first=day)]
    assert names(plan(month, POLICY, NOW_MS)) == [["0", "1", "2", "3"]]


def test_files_of_different_partitions_are_never_joined() -> None:
    found = plan([file("1", MB, LONG_AGO, "m0"), file("2", MB, LONG_AGO, "m1")], POLICY, NOW_MS)
    assert found == []


def test_a_new_file_is_no_larger_than_it_should_be() -> None:
    found = plan(files(9, 20 * MB, LONG_AGO), POLICY, NOW_MS)
    assert [len(group) for group in found] == [3, 3, 3]


def test_the_most_fragmented_comes_first_and_a_pass_ends_at_its_budget() -> None:
    little = files(2, 10 * MB, LONG_AGO, "m0")
    much = files(6, 10 * MB, LONG_AGO, "m1", first=10)
    found = plan([*little, *much], POLICY._replace(pass_bytes=30 * MB), NOW_MS)
    assert [group[0].partition for group in found] == ["m1"]


@given(st.lists(st.integers(1, 70 * MB), max_size=60), st.sampled_from([TODAY, LONG_AGO]))
def test_joining_again_and_again_comes_to_an_end_within_the_budget(sizes: list[int], day: int) -> None:
    held = {str(place): file(str(place), size, day) for place, size in enumerate(sizes)}
    total = sum(sizes)
    for number in range(100):
        groups = plan(held.values(), POLICY, NOW_MS)
        if not groups:
            break
        for place, group in enumerate(groups):
            assert len(group) > 1
            for one in group:
                del held[one.path]
            name = str(1_000 + number * 100 + place)
            held[name] = file(name, sum(one.size_bytes for one in group), day)
    assert groups == []
    assert sum(one.size_bytes for one in held.values()) == total
    assert fitness(held.values(), POLICY, NOW_MS).most_files <= FILES_PER_DAY


def test_a_row_is_rewritten_about_once_per_size_step() -> None:
    policy = Policy(fan=24, target_bytes=1 << 40)
    held: list[FileFigure] = []
    rewritten = 0
    for number in range(8_640):
        held.append(file(str(number), 30 * KB))
        if number % 6 == 5:
            for group in plan(held, policy, NOW_MS):
                rewritten += sum(one.size_bytes for one in group)
                held = [one for one in held if one not in group]
                held.append(file(str(number), sum(one.size_bytes for one in group)))
    assert rewritten / (8_640 * 30 * KB) < 3.5
    assert len(held) <= FILES_PER_DAY


def test_fitness_counts_what_a_scan_of_past_days_opens_per_file_it_needs() -> None:
    found = fitness([*files(8, MB, LONG_AGO), *files(30, KB, TODAY, first=50)], POLICY, NOW_MS)
    assert (found.files, found.partitions, found.most_files, found.amplification) == (38, 1, 30, 8.0)
    assert not found.within_budget
    empty = fitness([], POLICY, NOW_MS)
    assert (empty.files, empty.amplification, empty.within_budget) == (0, 1.0, True)
