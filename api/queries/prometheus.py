"""The fleet's figures as Prometheus or OpenMetrics text; an unavailable part has no samples but `up` 0."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from api.answers import Figures, JobFigures, TenantFigures

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class _FiguresCollector(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        yield _up(self._figures)
        yield from _of_tenants(self._figures.devices.tenants or [])
        yield from _of_jobs(self._figures.stream.jobs or [])


def to_prometheus(figures: Figures, *, openmetrics: bool) -> bytes:
    """Write the figures in the text format asked for."""
    registry = CollectorRegistry()
    registry.register(_FiguresCollector(figures))
    generate = generate_openmetrics if openmetrics else generate_latest
    return bytes(generate(registry))


def _up(figures: Figures) -> Metric:
    up = GaugeMetricFamily("millrace_up", "1 when the part answers.", labels=["part"])
    parts = {"devices": figures.devices.state, "stream": figures.stream.state}
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
