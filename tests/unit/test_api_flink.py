"""Replies as a Flink 2.1.3 cluster gave them, shortened, while it read a Kafka topic."""

import asyncio
from typing import Any

import httpx
import pytest

from api.answers import StreamFigures
from api.queries.flink import ClusterSize, FlinkError, cluster_size, stream_figures

SOURCE = "Source__telemetry[1]"
JOB = {"jid": "649317", "name": "rollups", "state": "RUNNING", "duration": 27825, "tasks": {"total": 4}}
ENDED = JOB | {"jid": "0", "state": "CANCELED"}
METRICS = [
    {"id": f"{SOURCE}.pendingRecords"},
    {"id": f"{SOURCE}.numRecordsInPerSecond"},
    {"id": f"{SOURCE}.numRecordsOutPerSecond"},
    {"id": "o[2]__Writer.numRecordsInPerSecond"},
    {"id": "numRecordsInPerSecond"},
]
READ = {f"{SOURCE}.pendingRecords": 12.0, f"{SOURCE}.numRecordsInPerSecond": 938.5}


def replies() -> dict[str, Any]:
    vertices = [
        {"id": "v1", "name": "Source: telemetry[1] -> (StreamRecordTimestampInserter[2] -> o[2]: Writer)"},
        {"id": "v2", "name": "GroupAggregate[5] -> o2[6]: Writer"},
    ]
    return {
        "/overview": {"taskmanagers": 1, "slots-total": 2, "jobs-running": 1, "flink-version": "2.1.3"},
        "/jobs/overview": {"jobs": [JOB, ENDED]},
        "/jobs/649317": {"jid": "649317", "vertices": vertices},
        "/jobs/649317/metrics": [{"id": "numRestarts", "value": "2"}],
        "/jobs/649317/vertices/v1/subtasks/metrics": METRICS,
    }


def cluster(known: dict[str, Any]) -> httpx.AsyncClient:
    def answer(request: httpx.Request) -> httpx.Response:
        wanted = request.url.params.get("get", "")
        if request.url.path not in known:
            return httpx.Response(404, json={"errors": ["Not found"]})
        if request.url.path.endswith("subtasks/metrics") and wanted:
            return httpx.Response(200, json=[{"id": name, "sum": READ[name]} for name in wanted.split(",")])
        return httpx.Response(200, json=known[request.url.path])

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


def ask(known: dict[str, Any]) -> StreamFigures:
    return asyncio.run(stream_figures(cluster(known), "flink"))


def test_a_job_that_runs_is_reported_with_what_its_sources_read_and_an_ended_one_is_not() -> None:
    figures = ask(replies())
    assert figures.jobs is not None
    (job,) = figures.jobs
    assert (job.name, job.state, job.uptime_ms) == ("rollups", "RUNNING", 27825)
    assert (job.readings_per_second, job.pending_records, job.restarts) == (938.5, 12.0, 2)


def test_figures_flink_has_not_gathered_yet_are_null_not_zero() -> None:
    path = "/jobs/649317/vertices/v1/subtasks/metrics"
    figures = ask(replies() | {path: [], "/jobs/649317/metrics": []})
    assert figures.jobs is not None
    assert [(job.readings_per_second, job.pending_records, job.restarts) for job in figures.jobs] == [
        (None, None, None)
    ]


@pytest.mark.parametrize("wrong", [{}, {"/jobs/overview": {"jobs": [{"jid": 1}]}}, {"/jobs/overview": "?"}])
def test_an_answer_that_is_not_flinks_makes_the_part_unavailable(wrong: dict[str, Any]) -> None:
    figures = ask(wrong)
    assert (figures.state, figures.jobs) == ("unavailable", None)
    assert "Flink at flink" in str(figures.reason)


def test_the_size_of_the_cluster_is_read_and_an_error_is_none() -> None:
    assert asyncio.run(cluster_size(cluster(replies()), "flink")) == ClusterSize(1, 1)
    with pytest.raises(FlinkError, match="404"):
        asyncio.run(cluster_size(cluster({}), "flink"))
