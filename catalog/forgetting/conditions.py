"""Which rows are of a device, and which are not."""

from typing import Any

from pyiceberg.expressions import BooleanExpression, EqualTo, IsNull, NotEqualTo, Or, Reference

from catalog.filters import every, predicate
from catalog.forgetting.owner import Owner


def rows_of(owner: Owner) -> BooleanExpression:
    """Return the condition that holds for its rows."""
    return every(
        [predicate(EqualTo, "tenant", owner.tenant), predicate(EqualTo, "device_id", owner.device_id)]
    )


def rows_of_others(owner: Owner) -> BooleanExpression:
    """Return the condition that holds for all other rows, those of nobody included."""
    nobody = Or(_is_null("tenant"), _is_null("device_id"))
    other = Or(
        predicate(NotEqualTo, "tenant", owner.tenant), predicate(NotEqualTo, "device_id", owner.device_id)
    )
    return Or(nobody, other)


def _is_null(column: str) -> BooleanExpression:
    # Typed here, as in catalog/filters.py.
    kind: Any = IsNull
    made: BooleanExpression = kind(Reference(column))
    return made
