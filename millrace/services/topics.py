"""Creates the Kafka topics that `schemas/topics/` declares."""

from millrace.stack.places import python_module
from millrace.stack.service import Service

SERVICE = Service(
    name="topics",
    about="Kafka topics",
    module="jobs.runtime.topics",
    command=lambda _: python_module("jobs.runtime.topics"),
    needs=("kafka",),
    once=True,
)
