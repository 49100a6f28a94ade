from prometheus_client.parser import text_string_to_metric_families

from api.answers import (
    CorrectionFigures,
    DeviceFigures,
    Figures,
    GatewayFigures,
    JobFigures,
    LakeFigures,
    LedgerFigures,
    QueueFigures,
    StreamFigures,
    TenantFigures,
)
from api.queries.fleet import sum_tenants
from api.queries.gateways import parse_samples
from api.queries.prometheus import to_prometheus

NOW_MS = 1_769_860_800_000
GATEWAY_TEXT = """\
# TYPE millrace_accepted_total counter
millrace_accepted_total{protocol="mqtt"} 41
# TYPE millrace_ack_seconds histogram
millrace_ack_seconds_bucket{le="+Inf"} 3
millrace_ack_seconds_count 3
millrace_ack_seconds_sum 0.2
# TYPE process_open_fds gauge
process_open_fds 9
"""


def tenant(name: str, total: int, online: int, newest_ms: int | None) -> TenantFigures:
    return TenantFigures(
        tenant=name,
        total=total,
        online=online,
        offline=total - online,
        newest_event_time=None,
        newest_event_time_ms=newest_ms,
        newest_event_age_ms=None,
    )


def figures(devices: DeviceFigures, stream: StreamFigures) -> Figures:
    gateway = GatewayFigures(state="unavailable", port=18090, reason="refused")
    return Figures(
        time="",
        time_ms=NOW_MS,
        devices=devices,
        stream=stream,
        gateways=[gateway],
        ledger=LedgerFigures(state="unavailable"),
        lake=LakeFigures(state="unavailable"),
        corrections=CorrectionFigures(state="unavailable"),
    )


def samples(body: bytes) -> dict[tuple[str, str], float]:
    return {
        (sample.name, ",".join(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def test_the_fleet_is_the_sum_of_its_tenants_and_its_newest_time_the_newest_of_theirs() -> None:
    fleet = sum_tenants([tenant("a", 3, 1, 5), tenant("b", 2, 2, 9), tenant("c", 0, 0, None)], 10)
    assert (fleet.total, fleet.online, fleet.offline) == (5, 3, 2)
    assert (fleet.newest_event_time_ms, fleet.newest_event_age_ms) == (9, 1)


def test_no_tenant_at_all_is_zero_devices_and_no_newest_time() -> None:
    fleet = sum_tenants([], 10)
    assert (fleet.total, fleet.newest_event_time_ms) == (0, None)


def test_a_part_that_is_down_has_no_samples_in_the_text_but_up_zero() -> None:
    down = DeviceFigures(state="unavailable", reason="gone", online_within_ms=300_000)
    text = to_prometheus(figures(down, StreamFigures(state="unavailable")), openmetrics=False)
    assert samples(text) == {
        ("millrace_up", "devices"): 0.0,
        ("millrace_up", "stream"): 0.0,
        ("millrace_up", "ledger"): 0.0,
        ("millrace_up", "lake"): 0.0,
        ("millrace_up", "corrections"): 0.0,
        ("millrace_up", "gateway:18090"): 0.0,
    }


def test_the_text_gives_each_job_and_tenant_and_leaves_out_what_flink_does_not_report() -> None:
    job = JobFigures(
        job_id="ab",
        name="rollups",
        state="RUNNING",
        uptime_ms=2_500,
        readings_per_second=1200.5,
        pending_records=None,
        restarts=0,
    )
    stream = StreamFigures(state="ok", jobs=[job])
    got = samples(
        to_prometheus(figures(sum_tenants([tenant("a", 3, 1, 5_000)], NOW_MS), stream), openmetrics=False)
    )
    assert got["millrace_devices", "online,a"] == 1
    assert got["millrace_devices", "offline,a"] == 2
    assert got["millrace_newest_event_time_seconds", "a"] == 5
    assert got["millrace_job_readings_per_second", "rollups,ab"] == 1200.5
    assert got["millrace_job_uptime_seconds", "rollups,ab"] == 2.5
    assert ("millrace_job_pending_records", "rollups,ab") not in got


def test_openmetrics_text_ends_as_the_format_demands() -> None:
    text = to_prometheus(
        figures(sum_tenants([], NOW_MS), StreamFigures(state="ok", jobs=[])), openmetrics=True
    )
    assert text.endswith(b"# EOF\n")


def test_of_a_gateway_only_its_own_counters_and_gauges_are_taken() -> None:
    (sample,) = parse_samples(GATEWAY_TEXT)
    assert (sample.name, sample.labels, sample.value) == (
        "millrace_accepted_total",
        {"protocol": "mqtt"},
        41.0,
    )


def test_queues_of_late_work_are_told_by_kind_and_share() -> None:
    queues = [
        QueueFigures(queue="alert_hours", share="fresh", waiting=0, lag_ms=0),
        QueueFigures(queue="alert_hours", share="backlog", waiting=68_000, lag_ms=90_500),
    ]
    down = DeviceFigures(state="unavailable", reason="gone", online_within_ms=300_000)
    found = figures(down, StreamFigures(state="unavailable")).model_copy(
        update={"corrections": CorrectionFigures(state="ok", age_ms=1, queues=queues)}
    )
    text = to_prometheus(found, openmetrics=False).decode()
    assert 'millrace_corrections_waiting{queue="alert_hours",share="fresh"} 0.0' in text
    assert 'millrace_corrections_waiting{queue="alert_hours",share="backlog"} 68000.0' in text
    assert 'millrace_corrections_lag_seconds{queue="alert_hours",share="backlog"} 90.5' in text
    assert 'millrace_up{part="corrections"} 1.0' in text
