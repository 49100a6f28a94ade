"""The devices of a shard: what arrives in, changes of alerts out, and blobs that outlive a restart."""

import json
from typing import Any

import pytest

from udfs.rules.alerts import AlertChange
from udfs.rules.arrived import Arrived, ArrivedContext, ArrivedMark, ArrivedReading, ArrivedRule
from udfs.rules.shard import AlertShard, Timelines

NEVER_MS = -(2**62)
FAR_MS = 2**62


def rule(
    log_time_ms: int, version: int = 1, *, scope: dict[str, Any] | None = None, **when: Any
) -> ArrivedRule:
    condition = {"kind": "threshold", "metric": "t", "raise_above": 80} | when
    definition = {"rule": "hot", "scope": scope or {}, "when": condition}
    return ArrivedRule("acme", "hot", version, log_time_ms, "enabled", json.dumps(definition))


def sent(device: str, at_ms: int, t: float, log_ms: int | None = None) -> ArrivedReading:
    return ArrivedReading(
        f"acme/{device}", at_ms, at_ms if log_ms is None else log_ms, f"{{t={t}}}", None, None
    )


def take(shard: AlertShard, arrived: Arrived, watermark_ms: int) -> list[AlertChange]:
    """Let a shard take what arrived, all changes of rules being known."""
    arrived.rules_read_ms = FAR_MS
    return shard.take(arrived, watermark_ms, 0)


def kinds(changes: list[AlertChange]) -> list[tuple[str, str, int]]:
    return [(change.device_id, change.kind, change.at_ms) for change in changes]


def carried(shard: AlertShard) -> AlertShard:
    """Return the shard that a restart makes of what was kept."""
    timelines = Timelines()
    # Keyed state gives them back in any order.
    timelines.restore(sorted(shard.take_learned()))
    again = AlertShard(timelines)
    for owner, kept in shard.take_touched():
        if kept is not None:
            again.restore(owner, kept)
    again.restore_held((number, kept) for number, kept in shard.take_held() if kept is not None)
    return again


def test_an_open_alert_outlives_a_restart() -> None:
    shard = AlertShard(Timelines())
    raised = take(shard, Arrived(rules=[rule(0)], readings=[sent("a", 5_000, 90)]), NEVER_MS)
    again = carried(shard)
    cleared = take(again, Arrived(readings=[sent("a", 9_000, 70)]), NEVER_MS)
    assert kinds(raised + cleared) == [("a", "raised", 5_000), ("a", "cleared", 9_000)]
    assert raised[0].alert_id == cleared[0].alert_id


def test_rules_come_back_in_the_order_of_the_log_not_of_their_names() -> None:
    shard = AlertShard(Timelines())
    edited = rule(0)._replace(rule="a-edited", definition=rule(0).definition.replace('"hot"', '"a-edited"'))
    changes = take(shard, Arrived(rules=[rule(0), edited], readings=[sent("a", 5_000, 90)]), NEVER_MS)
    # The edit was read ahead of a reading that lies before it in the log.
    take(shard, Arrived(rules=[edited._replace(version=2, log_time_ms=20_000)]), NEVER_MS)
    changes += take(carried(shard), Arrived(readings=[sent("a", 15_000, 91)]), NEVER_MS)
    assert [(change.rule, change.kind) for change in changes] == [("hot", "raised"), ("a-edited", "raised")]


def test_a_version_that_is_no_rule_does_not_prevent_a_restart() -> None:
    shard = AlertShard(Timelines())
    wrong = rule(6_000, version=2, kind="from the future")
    take(shard, Arrived(rules=[rule(0), wrong], readings=[sent("a", 5_000, 90)]), NEVER_MS)
    cleared = take(carried(shard), Arrived(readings=[sent("a", 9_000, 70)]), NEVER_MS)
    assert kinds(cleared) == [("a", "cleared", 9_000)]


def test_silence_is_told_after_a_restart_too() -> None:
    shard = AlertShard(Timelines())
    absent = ArrivedRule(
        "acme", "gone", 1, 0, "enabled", '{"rule": "gone", "when": {"kind": "absence", "after_s": 30}}'
    )
    take(shard, Arrived(rules=[absent], readings=[sent("a", 5_000, 1)]), NEVER_MS)
    again = carried(shard)
    assert again.deadline_ms() is not None
    found = [change for at_ms in range(6_000, 60_000, 1_000) for change in again.pass_time(at_ms)]
    assert kinds(found) == [("a", "raised", 35_000)]


def test_late_readings_say_nothing_now() -> None:
    shard = AlertShard(Timelines())
    take(shard, Arrived(rules=[rule(0)], readings=[sent("a", 5_000, 70), sent("a", 60_000, 70)]), NEVER_MS)
    assert take(shard, Arrived(readings=[sent("a", 20_000, 95, log_ms=61_000)]), 50_000) == []


def test_a_reading_out_of_order_takes_back_what_was_not_so() -> None:
    shard = AlertShard(Timelines())
    arrived = Arrived(rules=[rule(0, for_s=4)], readings=[sent("a", 5_000, 90), sent("a", 10_000, 90)])
    changes = take(shard, arrived, NEVER_MS)
    changes += take(shard, Arrived(readings=[sent("a", 7_000, 70, log_ms=10_500)]), NEVER_MS)
    assert kinds(changes) == [("a", "raised", 10_000), ("a", "withdrawn", 10_000)]


def test_a_device_that_moves_out_of_scope_has_no_alert_any_more() -> None:
    shard = AlertShard(Timelines())
    north = ArrivedContext("acme/a", "north", "default", ())
    first = Arrived(
        rules=[rule(0, scope={"sites": ["north"]})], contexts=[north], readings=[sent("a", 5_000, 90)]
    )
    changes = take(shard, first, NEVER_MS)
    changes += take(shard, Arrived(contexts=[north._replace(site="south")]), NEVER_MS)
    assert kinds(changes) == [("a", "raised", 5_000), ("a", "cleared", 5_000)]


def test_a_silent_device_hears_of_an_edit_by_the_clock() -> None:
    shard = AlertShard(Timelines())
    take(
        shard,
        Arrived(rules=[rule(0)], readings=[sent("a", 5_000, 90)], mark=ArrivedMark(-5_000, 5_000)),
        -5_000,
    )
    elsewhere = rule(9_000, version=2, scope={"devices": ["b"]})
    assert take(shard, Arrived(rules=[elsewhere], mark=ArrivedMark(1_500, 11_500)), 1_500) == []
    # The clock is ahead of a partition that is still being read: the log is not read up to its mark.
    assert take(shard, Arrived(mark=ArrivedMark(2_500, 12_500)), 1_500) == []
    assert kinds(take(shard, Arrived(mark=ArrivedMark(3_500, 13_500)), 2_600)) == [("a", "cleared", 5_000)]


def test_devices_without_rules_leave_nothing_behind() -> None:
    shard = AlertShard(Timelines())
    take(shard, Arrived(rules=[rule(0, scope={"devices": ["b"]})], readings=[sent("a", 5_000, 90)]), NEVER_MS)
    assert list(shard.take_touched()) == []
    assert shard.deadline_ms() is None


def test_what_is_done_with_is_not_kept() -> None:
    shard = AlertShard(Timelines())
    take(shard, Arrived(contexts=[ArrivedContext("acme/a", "north", "default", ())]), NEVER_MS)
    assert [kept is not None for _, kept in shard.take_touched()] == [True]
    take(shard, Arrived(contexts=[ArrivedContext("acme/a", "", "default", ())]), NEVER_MS)
    assert list(shard.take_touched()) == [("acme/a", None)]


def test_a_device_that_goes_on_sending_does_not_pile_up_readings() -> None:
    shard = AlertShard(Timelines())
    take(shard, Arrived(rules=[rule(0)]), NEVER_MS)
    for at_ms in range(2_000, 1_000_000, 1_000):
        take(shard, Arrived(readings=[sent("a", at_ms, 70)]), at_ms - 10_000)
    ((_, kept),) = shard.take_touched()
    assert kept is not None
    assert len(kept) < 1_000


def waiting() -> AlertShard:
    """A shard that knows a rule of 0 s, and of changes up to 9 s; a reading of 15 s waits."""
    shard = AlertShard(Timelines())
    assert shard.take(Arrived(rules=[rule(0)], rules_read_ms=9_000), NEVER_MS, 0) == []
    assert shard.take(Arrived(readings=[sent("a", 15_000, 90)]), 5_000, 1_000) == []
    return shard


EDITED = Arrived(rules=[rule(11_500, version=2, raise_above=95)], rules_read_ms=11_500)


@pytest.mark.parametrize("restart", [False, True])
def test_a_reading_waits_for_the_rules_it_goes_by(restart: bool) -> None:
    shard = waiting()
    if restart:
        shard = carried(shard)
    assert shard.take(Arrived(readings=[sent("a", 16_000, 96)]), 6_000, 1_100) == []
    changes = shard.take(EDITED, 6_000, 1_200)
    changes += shard.take(Arrived(rules_read_ms=14_000), 6_000, 1_300)
    assert [(one.kind, one.rule_version, one.at_ms) for one in changes] == [("raised", 2, 16_000)]
    # What was kept of them is forgotten, what never was need not be.
    assert list(shard.take_held()) == ([(1, None)] if restart else [])


def test_time_stands_while_readings_wait() -> None:
    shard = waiting()
    assert shard.deadline_ms() is None
    assert shard.pass_time(60_000) == []
    # It was on time when it came, and is so still.
    assert kinds(shard.take(Arrived(rules_read_ms=12_000), 60_000, 1_200)) == [("a", "raised", 15_000)]
    assert shard.deadline_ms() == 15_000


def test_when_nobody_tells_of_rules_readings_wait_half_a_minute() -> None:
    shard = waiting()
    assert shard.take(Arrived(), 5_000, 29_999) == []
    assert kinds(shard.take(Arrived(), 5_000, 31_000)) == [("a", "raised", 15_000)]


REGISTERED_MS = 1_000_000


def silent(log_time_ms: int, version: int = 1, metric: str | None = None, **more: Any) -> ArrivedRule:
    when = {"kind": "absence", "after_s": 60} | ({"metric": metric} if metric else {})
    definition = {"rule": "silent", "when": when} | more
    return ArrivedRule("acme", "silent", version, log_time_ms, "enabled", json.dumps(definition))


def registered(device: str, at_ms: int = REGISTERED_MS, site: str = "") -> ArrivedContext:
    return ArrivedContext(f"acme/{device}", site, "default", (), at_ms)


def mark(shard: AlertShard, watermark_ms: int) -> list[AlertChange]:
    """Let all of the log be read up to a moment, and event time come as far."""
    changes = take(shard, Arrived(mark=ArrivedMark(watermark_ms, watermark_ms)), watermark_ms)
    return changes + shard.pass_time(watermark_ms)


@pytest.mark.parametrize("metric", [None, "t"])
@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_registered_device_that_never_speaks_is_absent_from_its_registration_on(
    metric: str | None, is_restarted: bool
) -> None:
    shard = AlertShard(Timelines())
    take(shard, Arrived(rules=[silent(0, metric=metric)]), 10_000)
    mark(shard, 990_000)
    take(shard, Arrived(contexts=[registered("new")]), 995_000)
    assert mark(shard, REGISTERED_MS + 59_000) == []
    if is_restarted:
        shard = carried(shard)
    changes = mark(shard, REGISTERED_MS + 61_000)
    assert kinds(changes) == [("new", "raised", REGISTERED_MS + 60_000)]
    assert mark(shard, REGISTERED_MS + 200_000) == []
    back = take(shard, Arrived(readings=[sent("new", REGISTERED_MS + 210_000, 1.0)]), REGISTERED_MS + 200_000)
    back += mark(shard, REGISTERED_MS + 220_000)
    assert kinds(back) == [("new", "cleared", REGISTERED_MS + 210_000)]


def test_a_device_that_speaks_in_time_is_not_absent_and_one_that_is_not_registered_never_was() -> None:
    shard = AlertShard(Timelines())
    take(shard, Arrived(rules=[silent(0)]), 10_000)
    mark(shard, 990_000)
    take(shard, Arrived(contexts=[registered("new"), registered("other", 0, "hall")]), 995_000)
    take(shard, Arrived(readings=[sent("new", REGISTERED_MS + 30_000, 1.0)]), REGISTERED_MS)
    assert mark(shard, REGISTERED_MS + 80_000) == []
    assert kinds(mark(shard, REGISTERED_MS + 100_000)) == [("new", "raised", REGISTERED_MS + 90_000)]


def test_a_device_that_speaks_of_other_metrics_only_is_not_absent() -> None:
    shard = AlertShard(Timelines())
    take(shard, Arrived(rules=[silent(0, metric="pressure")]), 10_000)
    mark(shard, 990_000)
    take(shard, Arrived(contexts=[registered("new")]), 995_000)
    take(shard, Arrived(readings=[sent("new", REGISTERED_MS + 30_000, 1.0)]), REGISTERED_MS)
    assert mark(shard, REGISTERED_MS + 500_000) == []
    take(
        carried(shard), Arrived(rules=[silent(REGISTERED_MS + 500_000, 2, metric="pressure")]), REGISTERED_MS
    )
    assert mark(shard, REGISTERED_MS + 900_000) == []


def test_a_rule_that_comes_later_counts_from_when_it_is_in_force() -> None:
    shard = AlertShard(Timelines())
    mark(shard, 990_000)
    take(shard, Arrived(contexts=[registered("new"), registered("busy")]), 995_000)
    later_ms = REGISTERED_MS + 1_000_000
    take(shard, Arrived(readings=[sent("busy", later_ms - 1_000, 1.0)]), later_ms)
    take(shard, Arrived(rules=[silent(later_ms)]), later_ms)
    assert mark(shard, later_ms + 10_000) == []
    take(shard, Arrived(readings=[sent("busy", later_ms + 50_000, 1.0)]), later_ms + 40_000)
    assert kinds(mark(shard, later_ms + 100_000)) == [("new", "raised", later_ms + 70_000)]


def test_one_that_leaves_the_registry_without_a_word_is_absent_no_more() -> None:
    shard = AlertShard(Timelines())
    take(shard, Arrived(rules=[silent(0)]), 10_000)
    mark(shard, 990_000)
    take(shard, Arrived(contexts=[registered("new")]), 995_000)
    assert len(mark(shard, REGISTERED_MS + 100_000)) == 1
    gone = take(shard, Arrived(contexts=[registered("new", 0)]), REGISTERED_MS + 100_000)
    assert [change.kind for change in gone] == ["cleared"]
    assert mark(shard, REGISTERED_MS + 500_000) == []
    assert list(shard.take_touched()) == [("acme/new", None)]


def test_before_event_time_begins_nobody_is_absent_and_in_a_recording_it_counts_in_its_time() -> None:
    shard = AlertShard(Timelines())
    year_ms = 31_536_000_000
    take(shard, Arrived(rules=[silent(0)], contexts=[registered("new", 40 * year_ms)]), NEVER_MS)
    assert mark(shard, year_ms) == []
    assert kinds(mark(shard, year_ms + 61_000)) == [("new", "raised", year_ms + 60_000)]


def test_a_rate_of_change_does_not_fire_for_a_reset_of_a_counter_but_for_a_real_jump() -> None:
    when = {"kind": "rate_of_change", "metric": "t", "per_s": 10, "above": 50}
    definition = json.dumps({"rule": "hot", "when": when})
    known = ArrivedRule("acme", "hot", 1, 0, "enabled", definition)
    contexts = [
        ArrivedContext("acme/meter", "", "meter", (), 0, ("t",)),
        ArrivedContext("acme/gauge", "", "x", ()),
    ]
    values = [1_000.0, 1_010.0, 0.0, 10.0, 20.0]
    readings = [
        sent(device, 10_000 * place, value)
        for device in ("meter", "gauge")
        for place, value in enumerate(values)
    ]
    shard = AlertShard(Timelines())
    changes = take(shard, Arrived(rules=[known], contexts=contexts, readings=readings), NEVER_MS)
    assert kinds(changes) == [("gauge", "raised", 20_000), ("gauge", "cleared", 30_000)]
    # What the device counts by outlives a restart, and a jump of the counter itself still counts.
    again = carried(shard)
    later = [sent("meter", 50_000, 5.0), sent("meter", 60_000, 500.0)]
    assert kinds(take(again, Arrived(readings=later), NEVER_MS)) == [("meter", "raised", 60_000)]
