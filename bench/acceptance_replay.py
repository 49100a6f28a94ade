"""`python -m bench.acceptance_replay`: recorded data through the running stack, compared row by row."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer
from confluent_kafka import Consumer, TopicPartition

from bench.conclusion import conclude, run_command
from bench.replay_trial import Outcome, Trial, run_trial
from millrace.errors import MillraceError
from millrace.settings import ROOT, Settings, settings

app = typer.Typer()
_GATEWAYS = {"mqtt": "gateway-mqtt", "http": "gateway-http"}


class Victim(StrEnum):
    """What `--kill` kills in the middle of the replay."""

    TASKMANAGER = "taskmanager"
    GATEWAY = "gateway"
    REDIS = "redis"


@app.command()
def acceptance(
    dataset: Annotated[str, typer.Option(help="air-quality, skab or nab.")] = "air-quality",
    via: Annotated[str, typer.Option(help="mqtt, http or kafka.")] = "mqtt",
    compress: Annotated[int | None, typer.Option(help="3600: an hour becomes a second, ending now.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N rows.")] = None,
    kill: Annotated[Victim | None, typer.Option(help="kill -9 this in the middle.")] = None,
    patience: Annotated[float, typer.Option(help="Seconds without progress before comparing.")] = 120.0,
    as_json: Annotated[bool, typer.Option("--json", help="Figures as JSON.")] = False,
) -> None:
    """Replay into the stack of the current settings and exit 1 on any difference."""
    stack = settings()
    meanwhile = _killer(stack, kill, via) if kill else lambda _rows: None
    outcome = run_trial(stack, Trial(dataset, via, compress, limit), patience_s=patience, meanwhile=meanwhile)
    conclude("acceptance replay", outcome._asdict(), _figures(outcome), outcome.differences, as_json)


def _killer(stack: Settings, victim: Victim, via: str) -> Callable[[int], None]:
    name = _GATEWAYS.get(via, "gateway-mqtt") if victim is Victim.GATEWAY else victim.value
    begin = _telemetry_end(stack)

    def kill(rows: int) -> None:
        give_up = time.monotonic() + 120
        while _telemetry_end(stack) - begin < rows // 3 and time.monotonic() < give_up:
            time.sleep(0.2)
        os.kill(_pid(stack, name), signal.SIGKILL)

    return kill


def _telemetry_end(stack: Settings) -> int:
    consumer = Consumer({"bootstrap.servers": stack.address("kafka"), "group.id": "acceptance"})
    partitions = consumer.list_topics("telemetry").topics["telemetry"].partitions
    ends = [consumer.get_watermark_offsets(TopicPartition("telemetry", number))[1] for number in partitions]
    consumer.close()
    return sum(ends)


def _pid(stack: Settings, name: str) -> int:
    command = [sys.executable, "-m", "millrace.cli", "status", "--json"]
    environment = {**os.environ, **stack.environment()}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    services: Any = json.loads(result.stdout)
    for service in services if isinstance(services, list) else services["services"]:
        if service["name"] == name and service["pid"]:
            return int(service["pid"])
    raise MillraceError(f"{name} does not run", where="millrace status", mend="Start it: millrace up.")


def _figures(outcome: Outcome) -> list[tuple[str, str]]:
    return [
        ("rows sent and acknowledged", f"{outcome.replay['acknowledged']:,}"),
        ("sent at, readings/s", f"{outcome.replay['readings_per_s']:,.0f}"),
        ("rows in iot.readings", f"{outcome.readings:,}"),
        ("of them duplicates / late", f"{outcome.duplicates:,} / {outcome.late:,}"),
        ("1 min windows compared", f"{outcome.windows:,}"),
        ("10 s panes compared", f"{outcome.panes:,}"),
        ("settled after the last acknowledgement", f"{outcome.settled_s:.1f} s"),
    ]


if __name__ == "__main__":
    run_command(app)
