"""The rules publisher: every rule as PostgreSQL has it, on a Kafka topic the stream jobs read."""

from millrace.stack.places import python_module
from millrace.stack.service import Service

SERVICE = Service(
    name="rules-publisher",
    about="Rules to the stream",
    module="jobs.rules_publisher.__main__",
    command=lambda _: python_module("jobs.rules_publisher"),
    needs=("topics", "migrations"),
)
