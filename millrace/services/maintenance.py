"""Maintenance: joins small files, expires snapshots, removes orphans, moves old readings to the archive."""

from millrace.stack.places import python_module
from millrace.stack.service import Service

SERVICE = Service(
    name="maintenance",
    about="Maintenance of the lake",
    module="catalog.maintenance.__main__",
    command=lambda _: python_module("catalog.maintenance"),
    needs=("migrations", "tables"),
    # A commit under way is ended; a file that was being written is an orphan.
    stop_wait_s=30,
)
