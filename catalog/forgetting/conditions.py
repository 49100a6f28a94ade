"""Which rows are of a device, and which are not."""

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import And, BooleanExpression, EqualTo, IsNull, Or, Reference
from pyiceberg.table import Table

from catalog.filters import every, predicate
from catalog.forgetting.names_in_bytes import named_in
from catalog.forgetting.owner import Owner
from catalog.maintenance.rewriting import Mask

_OWNER: Final = ("tenant", "device_id")
_LETTER: Final = ("address", "original")


class Belonging:
    """Tells rows of a device in one table from all other rows.

    A row is of the device that it names. A dead letter of its tenant, or of none, that names no device is of
    each that its bytes name: the gateway could not read them. It goes whole, with what others may have in it:
    cut, they would no longer be the bytes as they came, and who cannot read them cannot tell where one device
    ends in them. `may_be` holds for all rows worth reading, with `columns` of them.
    """

    def __init__(self, table: Table, owner: Owner) -> None:
        self._owner = owner
        self.has_letters = set(_LETTER) <= set(table.schema().column_names)
        self.columns = (*_OWNER, *_LETTER) if self.has_letters else _OWNER
        self.may_be = Or(_named(owner), _nameless(owner)) if self.has_letters else _named(owner)

    def of(self, rows: pa.Table) -> Mask:
        """Tell of each row whether it is of the device."""
        return self.named(rows) | self.named_in_bytes(rows)

    def of_others(self, rows: pa.Table) -> Mask:
        """Tell of each row whether it is not, those of nobody included."""
        return ~self.of(rows)

    def named(self, rows: pa.Table) -> Mask:
        """Tell of each row whether it names the device itself."""
        tenant, device_id = self._owner
        return _mask(pc.and_(pc.equal(rows["tenant"], tenant), pc.equal(rows["device_id"], device_id)))

    def named_in_bytes(self, rows: pa.Table) -> Mask:
        """Tell of each row whether it names no device, and its bytes or its address name this one."""
        found = np.zeros(rows.num_rows, np.bool_)
        if not self.has_letters:
            return found
        mine = pc.or_kleene(pc.is_null(rows["tenant"]), pc.equal(rows["tenant"], self._owner.tenant))
        nameless = _mask(pc.and_(pc.is_null(rows["device_id"]), mine))
        letters = rows.filter(pa.array(nameless))
        found[nameless] = named_in(letters["original"], self._owner.device_id) | self._addressed(letters)
        return found

    def _addressed(self, letters: pa.Table) -> Mask:
        # An address with a tenant was read: if it had named a device, so would the letter.
        within = pc.match_substring(letters["address"], f"/{self._owner.device_id}/")
        return _mask(pc.and_(pc.is_null(letters["tenant"]), within))


def _named(owner: Owner) -> BooleanExpression:
    return every([predicate(EqualTo, name, value) for name, value in owner._asdict().items()])


def _nameless(owner: Owner) -> BooleanExpression:
    return And(_is_null("device_id"), Or(_is_null("tenant"), predicate(EqualTo, "tenant", owner.tenant)))


def _is_null(column: str) -> BooleanExpression:
    # Typed here, as in catalog/filters.py.
    kind: Any = IsNull
    made: BooleanExpression = kind(Reference(column))
    return made


def _mask(answers: Any) -> Mask:
    found: Mask = pc.fill_null(answers, False).to_numpy()
    return found
