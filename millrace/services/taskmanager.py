"""Flink's TaskManager: runs the stream jobs and their Python workers."""

from millrace.settings import Settings
from millrace.stack import flink
from millrace.stack.probes import http_json
from millrace.stack.service import Service


def _ready(settings: Settings) -> bool:
    overview = http_json(settings, "flink_rest", "/overview") or {}
    return int(overview.get("taskmanagers", 0)) > 0


SERVICE = Service(
    name="taskmanager",
    about="Flink TaskManager",
    command=lambda _: flink.script("taskmanager.sh"),
    prepare=flink.lay_out,
    environment=flink.variables,
    ready=_ready,
    tools=("bash",),
    stop_wait_s=30,
)
