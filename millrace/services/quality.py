"""Data quality: looks at the tables every hour, records what it finds and raises alerts."""

from millrace.stack.places import python_module
from millrace.stack.service import Service

SERVICE = Service(
    name="quality",
    about="Data quality",
    module="jobs.quality.__main__",
    command=lambda _: python_module("jobs.quality"),
    needs=("topics", "migrations", "tables"),
    # A round that is cut off is made good by the next.
    stop_wait_s=15,
)
