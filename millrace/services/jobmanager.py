"""Flink's JobManager: plans, checkpoints and restarts the stream jobs."""

from millrace.settings import Settings
from millrace.stack import flink
from millrace.stack.probes import http_json
from millrace.stack.service import Service


def _ready(settings: Settings) -> bool:
    return http_json(settings, "flink_rest", "/overview") is not None


SERVICE = Service(
    name="jobmanager",
    about="Flink JobManager",
    command=lambda _: flink.script("jobmanager.sh"),
    prepare=flink.lay_out,
    environment=flink.variables,
    ready=_ready,
    ports=("flink_rest", "flink_rpc"),
    scheme="http",
    tools=("bash",),
)
