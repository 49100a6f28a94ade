"""A simulated fleet over MQTT and HTTP, for demonstrations."""

from millrace.stack.places import python_module
from millrace.stack.service import Service

SERVICE = Service(
    name="fleet",
    about="Simulated devices",
    module="ingest.fleet.__main__",
    command=lambda _: python_module("ingest.fleet"),
    needs=("gateway-mqtt", "gateway-http"),
    profile="fleet",
)
