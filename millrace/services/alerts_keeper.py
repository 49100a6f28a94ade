"""The keeper of alerts: what the stream says of them into PostgreSQL, and who is to be told."""

from millrace.stack.places import python_module
from millrace.stack.service import Service

SERVICE = Service(
    name="alerts-keeper",
    about="Life of alerts",
    module="jobs.alerts_keeper.__main__",
    command=lambda _: python_module("jobs.alerts_keeper"),
    needs=("topics", "migrations"),
)
