"""The notifier: tells people of alerts through channels, from the outbox in PostgreSQL."""

from millrace.stack.places import python_module
from millrace.stack.service import Service

SERVICE = Service(
    name="notifier",
    about="Notifications",
    module="api.notifier.__main__",
    command=lambda _: python_module("api.notifier"),
    needs=("migrations", "mosquitto"),
    # Longer than a delivery may take: what is on its way ends and is written down.
    stop_wait_s=40,
)
