"""How long readings of a device are warm and how long they are kept, by its profile."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import psycopg
import pyarrow as pa

from catalog.statements import statements

DAY_MS: Final = 86_400_000
FOR_EVER: Final = 1_000_000


class Days(NamedTuple):
    """Days of event time: in `iot.readings`, and in all (`FOR_EVER` = nothing moves, nothing is deleted)."""

    warm: int = FOR_EVER
    kept: int = FOR_EVER


class Terms(NamedTuple):
    """The days of devices (`tenant/device_id`) that differ from the default."""

    of: Mapping[str, Days] = {}
    default: Days = Days()

    def days(self, tier: str) -> set[int]:
        """Return all lengths that occur of a tier, `warm` or `kept`."""
        return {getattr(one, tier) for one in (self.default, *self.of.values())}


def load_terms(registry: psycopg.Connection) -> Terms:
    """Read what the profiles say."""
    rows = registry.execute(statements("tiers")["list_terms"]).fetchall()
    found = {owner: Days(warm or FOR_EVER, kept or FOR_EVER) for owner, warm, kept in rows}
    return Terms({owner: days for owner, days in found.items() if days != Days()})


def aged(rows: pa.Table, terms: Terms, tier: str, now_ms: int) -> npt.NDArray[np.bool_]:
    """Tell of each row (tenant, device_id, event_time) whether it is older than its days of a tier."""
    owners = pa.compute.binary_join_element_wise(
        rows["tenant"].cast(pa.string()), rows["device_id"].cast(pa.string()), "/"
    ).combine_chunks()
    names = owners.dictionary_encode()
    limits = [getattr(terms.of.get(name, terms.default), tier) for name in names.dictionary.to_pylist()]
    days = np.array(limits, dtype=np.int64)[names.indices.to_numpy(zero_copy_only=False)]
    at_ms = rows["event_time"].cast(pa.int64()).to_numpy() // 1_000
    return np.asarray(at_ms < now_ms - days * DAY_MS)
