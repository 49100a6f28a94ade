"""The tiers for people."""

from collections.abc import Iterable

from catalog.maintenance.view import size_text
from catalog.tiering.overview import Tier
from millrace.output import left, print_table, right

_COLUMNS = (*left("tier", "where"), *right("rows", "files", "size", "with history", "cost a month"))
_CAPTION = "with history: files that only older snapshots hold are paid for too"


def show_tiers(tiers: Iterable[Tier]) -> None:
    """Print a line for each tier."""
    rows = []
    for tier in tiers:
        counts = ["–" if number is None else f"{number:,}" for number in (tier.rows, tier.files)]
        sizes = ["–" if size is None else size_text(size) for size in (tier.size_bytes, tier.stored_bytes)]
        cost = "does not answer" if tier.cost_month is None else f"{tier.cost_month:,.2f}"
        rows.append((tier.tier, tier.where, *counts, *sizes, cost))
    print_table(_COLUMNS, rows, title="readings by tier", caption=_CAPTION)
