"""History is cut so that a slice's rows fit into memory and no row is in two slices."""

from math import inf

import pytest

from catalog.time_slices import FileSpan, Slice, cut

pytestmark = pytest.mark.alerts

SPAN = Slice(100, 1000)


def test_few_rows_are_one_slice() -> None:
    assert cut([FileSpan(50, 400, 10), FileSpan(401, 900, 10)], SPAN, 20) == [SPAN]
    assert cut([], SPAN, 20) == [SPAN]


def test_a_cut_is_where_a_file_begins_whose_rows_are_too_many() -> None:
    files = [FileSpan(600, 900, 10), FileSpan(50, 290, 10), FileSpan(300, 590, 10)]
    assert cut(files, SPAN, 20) == [Slice(100, 600), Slice(600, 1000)]
    assert cut(files, SPAN, 10) == [Slice(100, 300), Slice(300, 600), Slice(600, 1000)]


def test_files_that_begin_together_or_before_the_span_are_not_cut() -> None:
    assert cut([FileSpan(50, 400, 10), FileSpan(60, 400, 10)], SPAN, 10) == [SPAN]
    twins = [FileSpan(200, 300, 10), FileSpan(200, 300, 10), FileSpan(-inf, inf, 10)]
    assert cut(twins, SPAN, 10) == [Slice(100, 200), Slice(200, 1000)]
