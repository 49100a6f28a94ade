"""The fleet's figures as Prometheus or OpenMetrics text; an unavailable part has no samples but `up` 0."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from api.answers import Figures, JobFigures, LedgerFigures, QueueFigures, TenantFigures
from api.queries.lake_prometheus import of_lake
from catalog.marks import MARKS

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class _FiguresCollector(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        yield _up(self._figures)
        yield from _of_tenants(self._figures.devices.tenants or [])
        yield from _of_jobs(self._figures.stream.jobs or [])
        if self._figures.ledger.state == "ok":
            yield from _of_ledger(self._figures.ledger)
        if self._figures.lake.state == "ok":
            yield from of_lake(self._figures.lake)
        yield from _of_corrections(self._figures.corrections.queues or [])


def to_prometheus(figures: Figures, *, openmetrics: bool) -> bytes:
    """Write the figures in the text format asked for."""
    registry = CollectorRegistry()
    registry.register(_FiguresCollector(figures))
    generate = generate_openmetrics if openmetrics else generate_latest
    return bytes(generate(registry))


def _up(figures: Figures) -> Metric:
    up = GaugeMetricFamily("millrace_up", "1 when the part answers.", labels=["part"])
    parts = {"devices": figures.devices.state, "stream": figures.stream.state}
    parts |= {"ledger": figures.ledger.state, "lake": figures.lake.state}
    parts |= {"corrections": figures.corrections.state}
    parts |= {f"gateway:{gateway.port}": gateway.state for gateway in figures.gateways}
    for name, state in parts.items():
        up.add_metric([name], float(state == "ok"))
    return up


def _of_tenants(tenants: list[TenantFigures]) -> Iterator[Metric]:
    devices = GaugeMetricFamily("millrace_devices", "Devices by state.", labels=["tenant", "state"])
    newest = GaugeMetricFamily(
        "millrace_newest_event_time_seconds", "Event time of the newest reading, epoch.", labels=["tenant"]
    )
    for tenant in tenants:
        devices.add_metric([tenant.tenant, "online"], tenant.online)
        devices.add_metric([tenant.tenant, "offline"], tenant.offline)
        if tenant.newest_event_time_ms is not None:
            newest.add_metric([tenant.tenant], tenant.newest_event_time_ms / 1000)
    yield from (devices, newest)


def _of_corrections(queues: list[QueueFigures]) -> Iterator[Metric]:
    labels = ["queue", "share"]
    waiting = GaugeMetricFamily(
        "millrace_corrections_waiting", "Late work that is not right yet.", labels=labels
    )
    lag = GaugeMetricFamily(
        "millrace_corrections_lag_seconds", "Since the oldest of it waits.", labels=labels
    )
    for one in queues:
        waiting.add_metric([one.queue, one.share], one.waiting)
        lag.add_metric([one.queue, one.share], one.lag_ms / 1000)
    yield from (waiting, lag)


def _of_jobs(jobs: list[JobFigures]) -> Iterator[Metric]:
    yield _per_job("millrace_job_running", "1 when RUNNING.", jobs, lambda job: float(job.state == "RUNNING"))
    yield _per_job("millrace_job_uptime_seconds", "Time since start.", jobs, lambda job: job.uptime_ms / 1000)
    yield _per_job("millrace_job_readings_per_second", "Read from Kafka.", jobs, _readings_per_second)
    yield _per_job("millrace_job_pending_records", "In Kafka, not read yet.", jobs, _pending_records)
    yield _per_job("millrace_job_restarts", "Restarts since submission.", jobs, lambda job: job.restarts)


def _per_job(
    name: str, about: str, jobs: list[JobFigures], figure: Callable[[JobFigures], float | None]
) -> Metric:
    family = GaugeMetricFamily(name, about, labels=["job", "job_id"])
    for job in jobs:
        value = figure(job)
        if value is not None:
            family.add_metric([job.name, job.job_id], value)
    return family


def _readings_per_second(job: JobFigures) -> float | None:
    return job.readings_per_second


def _pending_records(job: JobFigures) -> float | None:
    return job.pending_records


_LEDGER_GAUGES = {
    "accepted": "Readings Kafka acknowledged.",
    "accounted": "Of the accepted, told by gateways.",
    "direct": "Of the accepted, sent straight to Kafka.",
    "unaccounted": "Of the accepted, told by nobody: a gateway was killed.",
    "missing": "Accepted and not stored.",
    "behind": "Of the missing, those the stream has not come to yet.",
    "repeated": "Rows stored more than once.",
}


def _of_ledger(ledger: LedgerFigures) -> Iterator[Metric]:
    yield _gauge("balanced", "1 when everything due is stored once.", "", {"": ledger.balanced})
    yield _gauge("age_seconds", "Since the ledger was taken.", "", {"": (ledger.age_ms or 0) / 1000})
    for name, about in _LEDGER_GAUGES.items():
        yield _gauge(name, about, "", {"": getattr(ledger, name)})
    marks = {mark: getattr(ledger, mark) for mark in MARKS}
    yield _gauge("stored", "Rows of iot.readings by mark.", "mark", marks)
    points = {"expected": ledger.expected_points, "rollups": ledger.rollup_points}
    yield _gauge("points", "Metrics of readings, and what rollups count.", "side", points)
    windows = {state: getattr(ledger, f"windows_{state}") for state in ("open", "pending", "wrong")}
    yield _gauge("windows", "Minutes whose rollups differ from the readings.", "state", windows)
    yield from _of_refusals(ledger)


def _of_refusals(ledger: LedgerFigures) -> Iterator[Metric]:
    about = "Dead letters by reason: told by gateways, stored."
    family = GaugeMetricFamily("millrace_ledger_dead_letters", about, labels=["reason", "side"])
    for reason, sides in (ledger.dead_letter_reasons or {}).items():
        family.add_metric([reason, "gateways"], sides.gateways)
        family.add_metric([reason, "stored"], sides.stored)
    yield family


def _gauge(name: str, about: str, label: str, values: Mapping[str, float | None]) -> Metric:
    family = GaugeMetricFamily(f"millrace_ledger_{name}", about, labels=[label] if label else [])
    for value_of, value in values.items():
        family.add_metric([value_of] if label else [], float(value or 0))
    return family
