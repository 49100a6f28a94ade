"""What a running stack does right now, and every way into it."""

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from millrace.output import Cell, Column, left, print_lines, print_table, stdout_width, table_lines
from millrace.secrets import load_secrets
from millrace.settings import Settings
from millrace.stack.places import python_module
from millrace.stack.probes import http_json

_LEDGER_EVERY_S = 5.0
_LEDGER_TIMEOUT_S = 60
_ACCEPTED, _REJECTED = "millrace_gateway_accepted_total", "millrace_gateway_rejected_total"


@dataclass(frozen=True)
class Pulse:
    """The figures of one moment; None is a figure nobody could give."""

    at_s: float
    accepted: float | None = None
    rejected: float | None = None
    online: int | None = None
    devices: int | None = None


def read_pulse(figures: Mapping[str, Any] | None, at_s: float) -> Pulse:
    """Take the pulse from the API's `/metrics` answer."""
    if figures is None:
        return Pulse(at_s)
    devices = figures["devices"]
    samples = [s for gateway in figures["gateways"] for s in gateway["samples"] or []]
    return Pulse(
        at_s, _sum(samples, _ACCEPTED), _sum(samples, _REJECTED), devices["online"], devices["total"]
    )


def _sum(samples: list[Mapping[str, Any]], name: str) -> float | None:
    values = [sample["value"] for sample in samples if sample["name"] == name]
    return sum(values) if values else None


def rate(first: Pulse, last: Pulse) -> float | None:
    """Return accepted readings per second between two pulses."""
    if first.accepted is None or last.accepted is None or last.at_s <= first.at_s:
        return None
    return max(0.0, last.accepted - first.accepted) / (last.at_s - first.at_s)


def _ledger() -> Mapping[str, Any] | None:
    try:
        result = subprocess.run(
            python_module("millrace.cli", "ledger", "--json"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LEDGER_TIMEOUT_S,
            check=False,
        )
        answer = json.loads(result.stdout)
    except (ValueError, subprocess.TimeoutExpired):
        return None
    return answer if isinstance(answer, dict) else None


def show(console: Console, settings: Settings, seconds: float) -> None:
    """Show the figures live for some seconds, then every address and login."""
    pulses = [_pulse(settings)]
    ledger = _ledger()
    ledger_at = began = time.monotonic()
    with Live(figures(pulses, ledger), console=console, refresh_per_second=4) as live:
        while time.monotonic() - began < seconds:
            time.sleep(1)
            pulses = [*pulses, _pulse(settings)][-10:]
            if time.monotonic() - ledger_at > _LEDGER_EVERY_S:
                ledger, ledger_at = _ledger(), time.monotonic()
            live.update(figures(pulses, ledger))
    print_lines([""])
    print_table(left("", ""), addresses(settings))
    # A line that is copied must stay one line.
    print_lines(["", Text("Your own device", "dim"), http_line(settings), mqtt_line(settings)])


def _pulse(settings: Settings) -> Pulse:
    return read_pulse(http_json(settings, "api", "/metrics"), time.monotonic())


def figures(pulses: list[Pulse], ledger: Mapping[str, Any] | None) -> Group:
    """Return the live figures as a table."""
    last, speed = pulses[-1], rate(pulses[0], pulses[-1])
    columns = (Column(""), Column("", right=True), Column("", wraps=True))
    rows: list[tuple[Cell, ...]] = [
        ("readings/s", f"{_number(speed, 1):>12}", "accepted by the gateways"),
        ("devices online", _number(last.online), f"of {_number(last.devices)}"),
        ("rows in Iceberg", _number(ledger.get("stored") if ledger else None), _balance(ledger)),
        ("dead letters", _number(last.rejected), "refused with reason and original bytes"),
    ]
    return Group(*table_lines(columns, rows, stdout_width()))


def _number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _balance(ledger: Mapping[str, Any] | None) -> Text:
    if ledger is None:
        return Text("the ledger does not answer yet", style="yellow")
    accepted = _number(ledger.get("accepted"))
    if ledger.get("balanced"):
        return Text(f"of {accepted} accepted: balanced", style="green")
    return Text(f"of {accepted} accepted: not balanced yet", style="yellow")


def addresses(settings: Settings) -> list[tuple[str, str]]:
    """Return every address by name, and where the passwords are."""
    return [
        ("REST API", f"http://{settings.address('api')}/docs"),
        ("Flink", f"http://{settings.address('flink_rest')}"),
        ("Kafka", settings.address("kafka")),
        ("Redis", settings.address("redis")),
        ("PostgreSQL", f"{settings.address('postgres')} (user millrace)"),
        ("passwords", str(settings.folder / "secrets.json")),
    ]


def http_line(settings: Settings) -> str:
    """Return a curl command that sends one reading."""
    token = load_secrets(settings).tenant_token(settings.tenant)
    return (
        f"curl http://{settings.address('gateway_http')}/v1/telemetry -H 'Authorization: Bearer {token}'"
        " -H 'Content-Type: application/json'"
        """ -d '{"device_id": "mine", "metrics": {"temperature_c": 21.5}}'"""
    )


def mqtt_line(settings: Settings) -> str:
    """Return a mosquitto_pub command that sends one reading."""
    token = load_secrets(settings).tenant_token(settings.tenant)
    broker = f"-h {settings.bind_host} -p {settings.port('mqtt')} -u {settings.tenant} -P {token}"
    topic = f"t/{settings.tenant}/mine/telemetry"
    return f"""mosquitto_pub {broker} -q 1 -t {topic} -m '{{"metrics": {{"temperature_c": 21.5}}}}'"""
