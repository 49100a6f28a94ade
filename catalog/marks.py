"""What became of a row of iot.readings, and which rows count: the one place that says so.

Statements say it as `mark NOT IN ('duplicate', 'replaced')`; a test holds them to it.
"""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import BooleanExpression, NotIn

from catalog.filters import predicate

LATE: Final = "late"
ON_TIME: Final = "on_time"
# The same reading again.
DUPLICATE: Final = "duplicate"
# Another value for its device, time and metric counts instead.
REPLACED: Final = "replaced"
MARKS: Final = (ON_TIME, LATE, DUPLICATE, REPLACED)
NOT_COUNTED: Final = (DUPLICATE, REPLACED)


def counted_rows() -> BooleanExpression:
    """Return the filter of a scan for rows that count."""
    return predicate(NotIn, "mark", set(NOT_COUNTED))


def is_counted(marks: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """Tell for each mark whether its row counts; the column may be dictionary-encoded."""
    names = pa.array(NOT_COUNTED, pa.string())
    return pc.invert(pc.is_in(marks.cast(pa.string()), value_set=names))
