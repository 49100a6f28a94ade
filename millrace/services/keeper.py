"""The keeper: submits the stream jobs, keeps them running, stops them with a savepoint."""

import json
from pathlib import Path

from millrace.settings import Settings
from millrace.stack.places import python_module
from millrace.stack.service import Service


def _report(settings: Settings) -> Path:
    return settings.folder / "keeper.json"


def _forget(settings: Settings) -> None:
    # What the last keeper said must not pass for this one's word.
    _report(settings).unlink(missing_ok=True)


def _ready(settings: Settings) -> bool:
    try:
        return json.loads(_report(settings).read_text()).get("ready") is True
    except (OSError, ValueError):
        return False


SERVICE = Service(
    name="keeper",
    about="Stream jobs",
    module="jobs.runtime.keeper",
    command=lambda _: python_module("jobs.runtime.keeper"),
    needs=("jobmanager", "taskmanager", "redis", "topics", "migrations", "tables"),
    # The jobs are planned while Flink starts.
    waits_for=("jobmanager", "taskmanager"),
    prepare=_forget,
    ready=_ready,
    patience_s=300,
    stop_wait_s=90,
)
