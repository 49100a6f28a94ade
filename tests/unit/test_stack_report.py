"""What people and programs read about a stack."""

import pytest

from millrace.doctor.installed import pins, wanted_jars
from millrace.stack.report import duration
from millrace.stack.tour import Pulse, rate, read_pulse

pytestmark = pytest.mark.stack

FIGURES = {
    "devices": {"online": 3, "total": 4},
    "gateways": [
        {"samples": [{"name": "millrace_gateway_accepted_total", "labels": {}, "value": 100.0}]},
        {
            "samples": [
                {"name": "millrace_gateway_accepted_total", "labels": {}, "value": 20.0},
                {"name": "millrace_gateway_rejected_total", "labels": {"reason": "a"}, "value": 2.0},
                {"name": "millrace_gateway_rejected_total", "labels": {"reason": "b"}, "value": 1.0},
            ]
        },
        {"samples": None},
    ],
}


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, ""), (7, "7s"), (200, "3m20s"), (7500, "2h5m"), (349_200, "4d1h")]
)
def test_an_uptime_shows_its_two_largest_units(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def test_the_pulse_adds_up_all_gateways_and_reasons() -> None:
    assert read_pulse(FIGURES, 1.0) == Pulse(1.0, accepted=120.0, rejected=3.0, online=3, devices=4)


def test_figures_nobody_gives_are_unknown_and_not_zero() -> None:
    assert read_pulse(None, 1.0) == Pulse(1.0)
    silent = {"devices": {"online": None, "total": None}, "gateways": [{"samples": None}]}
    assert read_pulse(silent, 1.0).accepted is None


def test_the_rate_is_accepted_readings_over_time() -> None:
    assert rate(Pulse(10.0, accepted=100.0), Pulse(14.0, accepted=300.0)) == 50.0
    assert rate(Pulse(10.0), Pulse(14.0, accepted=300.0)) is None


def test_a_restarted_gateway_gives_no_negative_rate() -> None:
    assert rate(Pulse(10.0, accepted=100.0), Pulse(14.0, accepted=3.0)) == 0.0


def test_the_lock_is_read_without_what_another_platform_needs() -> None:
    other = "pywin32==311 ; sys_platform == 'win32' \\\n"
    lock = f"kafka-python==3.0.12 \\\n    --hash=sha256:00\n{other}uvicorn[standard]==1.0\n"
    assert pins(lock) == {"kafka-python": "3.0.12", "uvicorn": "1.0"}


def test_jar_names_come_with_their_versions_filled_in() -> None:
    pom = """<project xmlns="http://maven.apache.org/POM/4.0.0"><properties><k.version>4.2</k.version></properties>
      <dependencies><dependency><artifactId>kafka</artifactId><version>${k.version}</version></dependency></dependencies>
      <build><artifactItem><artifactId>avro</artifactId><version>2.1</version></artifactItem></build></project>"""
    assert sorted(wanted_jars(pom)) == ["avro-2.1.jar", "kafka-4.2.jar"]
