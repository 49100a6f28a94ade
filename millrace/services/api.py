"""The REST API."""

from millrace.settings import Settings
from millrace.stack.places import python_module
from millrace.stack.probes import http_answers
from millrace.stack.service import Service


def _ready(settings: Settings) -> bool:
    return http_answers(settings, "api", "/health")


SERVICE = Service(
    name="api",
    about="REST API",
    module="api.__main__",
    command=lambda _: python_module("api"),
    needs=("redis", "migrations"),
    ready=_ready,
    ports=("api",),
    scheme="http",
)
