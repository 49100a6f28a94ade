"""The gateway's HTTP side: takes readings from POST requests to Kafka."""

from millrace.settings import Settings
from millrace.stack.places import python_module
from millrace.stack.probes import http_answers
from millrace.stack.service import Service


def _ready(settings: Settings) -> bool:
    return http_answers(settings, "gateway_http", "/health")


SERVICE = Service(
    name="gateway-http",
    about="HTTP gateway",
    module="ingest.gateway.__main__",
    command=lambda _: python_module("ingest.gateway", "http"),
    needs=("topics",),
    ready=_ready,
    ports=("gateway_http",),
    scheme="http",
    stop_wait_s=20,
)
