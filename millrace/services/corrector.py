"""The corrector: makes windows and sessions right that late readings touched, and raises their alerts."""

from millrace.stack.places import python_module
from millrace.stack.service import Service

SERVICE = Service(
    name="corrector",
    about="Corrections of late data",
    module="jobs.corrections.__main__",
    command=lambda _: python_module("jobs.corrections"),
    needs=("redis", "topics", "migrations", "tables"),
    # A pass ends at a batch; what it had not forgotten is looked at again.
    stop_wait_s=30,
)
