"""The gateway's MQTT side: takes readings from the broker to Kafka."""

from millrace.settings import Settings
from millrace.stack.places import python_module
from millrace.stack.probes import http_answers
from millrace.stack.service import Service


def _ready(settings: Settings) -> bool:
    return http_answers(settings, "gateway_metrics", "/metrics")


SERVICE = Service(
    name="gateway-mqtt",
    about="MQTT gateway",
    module="ingest.gateway.__main__",
    command=lambda _: python_module("ingest.gateway", "mqtt"),
    needs=("mosquitto", "topics"),
    ready=_ready,
    ports=("gateway_metrics",),
    stop_wait_s=20,
)
