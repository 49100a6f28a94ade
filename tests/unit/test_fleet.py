import json

import pytest

from ingest.fleet.faults import CYCLE_MS, HEALTHY_MS, WEARING_MS, place_fault
from ingest.fleet.machines import KINDS, Machine, build
from ingest.fleet.malformed import malformed, reasons
from ingest.gateway.normalise import Envelope, Rejection, normalise

NOW_MS = 1_790_000_000_000


@pytest.mark.replay
def test_the_same_seed_measures_the_same_and_another_seed_does_not() -> None:
    first, again, other = (Machine("pump", 1, seed).sample(NOW_MS) for seed in (7, 7, 8))
    assert first == again
    assert first.metrics != other.metrics


@pytest.mark.replay
def test_forty_devices_are_ten_of_each_kind_with_ids_of_their_own() -> None:
    ids = [machine.device_id for machine in build(40, 7)]
    assert len(set(ids)) == 40
    assert all(sum(name.startswith(kind) for name in ids) == 10 for kind in KINDS)


@pytest.mark.replay
def test_a_day_of_values_stays_plausible() -> None:
    for machine in build(8, 7):
        for minute in range(1440):
            metrics = machine.sample(NOW_MS + minute * 60_000).metrics
            assert -30 < metrics["temperature_c"] < 100
            assert 0 <= metrics.get("humidity_pct", 50) <= 100
            assert 0 < metrics.get("vibration_mm_s", 1) < 4


@pytest.mark.replay
def test_only_trucks_move() -> None:
    for machine in build(4, 7):
        here, there = machine.sample(NOW_MS), machine.sample(NOW_MS + 600_000)
        assert (here.location != there.location) == machine.device_id.startswith("truck")


@pytest.mark.replay
def test_the_fault_raises_vibration_and_is_repaired() -> None:
    fault = place_fault([machine.device_id for machine in build(40, 7)], NOW_MS)
    assert fault is not None
    assert fault.device_id == "pump-07"
    assert "bearing-wear on pump-07" in fault.announcement()
    worn_at = NOW_MS + HEALTHY_MS + WEARING_MS
    assert [fault.wear(at) for at in (NOW_MS, worn_at, NOW_MS + CYCLE_MS)] == [0.0, 1.0, 0.0]
    pump = Machine("pump", 7, 7)
    healthy = pump.sample(NOW_MS).metrics["vibration_mm_s"]
    assert pump.sample(NOW_MS, wear=1.0).metrics["vibration_mm_s"] > 4 * healthy


@pytest.mark.replay
def test_a_small_fleet_has_the_fault_on_its_last_pump_or_none() -> None:
    fault = place_fault([machine.device_id for machine in build(6, 7)], 0)
    assert fault is not None
    assert fault.device_id == "pump-02"
    assert place_fault(["truck-01"], 0) is None


@pytest.mark.replay
@pytest.mark.parametrize("number", range(len(reasons())))
@pytest.mark.parametrize("name_device", [True, False])
def test_each_malformed_message_is_refused_for_its_own_reason(number: int, name_device: bool) -> None:
    message = malformed(number, "pump-01", NOW_MS, name_device=name_device)
    envelope = Envelope(
        source="http",
        address="test",
        tenant="demo",
        device_id=None if name_device else "pump-01",
        received_at=NOW_MS,
    )
    (refused,) = normalise(message.payload, envelope, NOW_MS)
    assert isinstance(refused, Rejection)
    assert refused.reason.value == reasons()[number]


@pytest.mark.replay
def test_a_malformed_message_leaves_its_batch_readable() -> None:
    batch = b"[" + b",".join(malformed(n, "d", NOW_MS, name_device=True).payload for n in range(5)) + b"]"
    assert len(json.loads(batch)) == 5
