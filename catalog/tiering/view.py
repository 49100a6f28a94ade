"""The tiers for people."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from catalog.maintenance.view import size_text
from catalog.tiering.overview import Tier

_COLUMNS = ("rows", "files", "size", "with history", "cost a month")


def show_tiers(tiers: Iterable[Tier]) -> None:
    """Print a line for each tier."""
    shown = Table(title="readings by tier", title_justify="left")
    shown.add_column("tier")
    shown.add_column("where")
    for name in _COLUMNS:
        shown.add_column(name, justify="right")
    for tier in tiers:
        counts = ["–" if number is None else f"{number:,}" for number in (tier.rows, tier.files)]
        sizes = ["–" if size is None else size_text(size) for size in (tier.size_bytes, tier.stored_bytes)]
        cost = "does not answer" if tier.cost_month is None else f"{tier.cost_month:,.2f}"
        shown.add_row(tier.tier, tier.where, *counts, *sizes, cost)
    shown.caption = "with history: files that only older snapshots hold are paid for too"
    Console().print(shown)
