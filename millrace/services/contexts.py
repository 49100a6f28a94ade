"""The context publisher: what PostgreSQL knows of each device, on a Kafka topic the stream jobs read."""

from millrace.stack.places import python_module
from millrace.stack.service import Service

SERVICE = Service(
    name="contexts",
    about="Device contexts",
    module="jobs.contexts.__main__",
    command=lambda _: python_module("jobs.contexts"),
    needs=("topics", "migrations"),
)
