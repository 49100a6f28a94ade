"""Figures of the running jobs, from Flink's REST interface."""

import asyncio
from typing import NamedTuple

import httpx
import msgspec

from api.answers import JobFigures, StreamFigures

TIMEOUT_S = 2.0


class _Job(msgspec.Struct):
    jid: str
    name: str
    state: str
    duration: int


class _Jobs(msgspec.Struct):
    jobs: list[_Job]


class _Vertex(msgspec.Struct):
    id: str
    name: str


class _JobDetail(msgspec.Struct):
    vertices: list[_Vertex]


class _Metric(msgspec.Struct):
    id: str
    value: str | None = None
    sum: float | None = None


class _Overview(msgspec.Struct):
    taskmanagers: int
    jobs_running: int = msgspec.field(name="jobs-running")


class ClusterSize(NamedTuple):
    """What Flink's cluster runs on and runs."""

    task_managers: int
    jobs_running: int


class FlinkError(Exception):
    """Flink answered something else than figures."""


async def _get(web: httpx.AsyncClient, url: str, **parameters: str) -> bytes:
    reply = await web.get(url, params=parameters)
    if reply.status_code != httpx.codes.OK:
        raise FlinkError(f"HTTP {reply.status_code}")
    return reply.content


async def cluster_size(web: httpx.AsyncClient, address: str) -> ClusterSize:
    """Return the size of the cluster; raise httpx.HTTPError, FlinkError or msgspec.DecodeError."""
    overview = msgspec.json.decode(await _get(web, f"http://{address}/overview"), type=_Overview)
    return ClusterSize(overview.taskmanagers, overview.jobs_running)


async def stream_figures(web: httpx.AsyncClient, address: str) -> StreamFigures:
    """Return the figures of every job that has not ended, or why there are none."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return StreamFigures(state="ok", jobs=await _jobs(web, f"http://{address}/jobs"))
    except (httpx.HTTPError, FlinkError, msgspec.DecodeError, TimeoutError) as error:
        return StreamFigures(
            state="unavailable", reason=f"Flink at {address}: {type(error).__name__} {error}"
        )


async def _jobs(web: httpx.AsyncClient, url: str) -> list[JobFigures]:
    jobs = msgspec.json.decode(await _get(web, f"{url}/overview"), type=_Jobs).jobs
    alive = [job for job in jobs if job.state not in {"FINISHED", "CANCELED", "FAILED"}]
    return list(await asyncio.gather(*(_job(web, f"{url}/{job.jid}", job) for job in alive)))


async def _job(web: httpx.AsyncClient, url: str, job: _Job) -> JobFigures:
    sources, restarts = await asyncio.gather(_source_figures(web, url), _restarts(web, url))
    return JobFigures(
        job_id=job.jid,
        name=job.name,
        state=job.state,
        uptime_ms=job.duration,
        readings_per_second=_total(sources, "numRecordsInPerSecond"),
        pending_records=_total(sources, "pendingRecords"),
        restarts=restarts,
    )


async def _restarts(web: httpx.AsyncClient, url: str) -> int | None:
    found = msgspec.json.decode(await _get(web, f"{url}/metrics", get="numRestarts"), type=list[_Metric])
    return int(found[0].value) if found and found[0].value is not None else None


async def _source_figures(web: httpx.AsyncClient, url: str) -> list[_Metric]:
    detail = msgspec.json.decode(await _get(web, url), type=_JobDetail)
    sources = [vertex for vertex in detail.vertices if vertex.name.startswith("Source:")]
    figures = await asyncio.gather(*(_vertex(web, f"{url}/vertices/{vertex.id}") for vertex in sources))
    return [figure for found in figures for figure in found]


async def _vertex(web: httpx.AsyncClient, url: str) -> list[_Metric]:
    path = f"{url}/subtasks/metrics"
    known = msgspec.json.decode(await _get(web, path), type=list[_Metric])
    wanted = [metric.id for metric in known if _is_source_figure(metric.id)]
    if not wanted:
        return []
    reply = await _get(web, path, get=",".join(wanted), agg="sum")
    return msgspec.json.decode(reply, type=list[_Metric])


def _is_source_figure(name: str) -> bool:
    operator, _, figure = name.rpartition(".")
    return operator.startswith("Source") and figure in {"numRecordsInPerSecond", "pendingRecords"}


def _total(figures: list[_Metric], name: str) -> float | None:
    values = [figure.sum for figure in figures if figure.id.endswith(name) and figure.sum is not None]
    return sum(values) if values else None
