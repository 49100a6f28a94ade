"""Rules that change while devices send: every alert is of the version in force, none is lost or doubled."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.rule_cases import DEVICE, START_MS, At, Keeper, rule
from udfs.rules.alerts import AlertChange, alert_id
from udfs.rules.rule_book import RuleBook
from udfs.rules.runner import DeviceRunner

pytestmark = pytest.mark.alerts

HOT = {"kind": "threshold", "metric": "v", "raise_above": 90, "clear_below": 85}
DEVIATION = {
    "kind": "deviation",
    "metric": "v",
    "z": 4,
    "min_samples": 3,
    "season": "none",
    "baseline_days": 9,
}
HOUR = 3600
Step = At | Callable[[RuleBook], None] | float


def put(when: dict[str, Any], version: int, **more: Any) -> Callable[[RuleBook], None]:
    return lambda book: book.put(rule(when, **more), version)


def run(*steps: Step, cut: bool) -> list[AlertChange]:
    """Take readings, edits of the book and watermarks (seconds); `cut` encodes and decodes after each."""
    book, keeper = RuleBook(), Keeper()
    runner = DeviceRunner(DEVICE, book)
    for step in steps:
        if isinstance(step, At):
            keeper.take(runner.take([step.reading]).changes)
        elif callable(step):
            step(book)
            keeper.take(runner.take_rules())
        else:
            keeper.take(runner.pass_time(START_MS + round(step * 1000)))
        if cut:
            runner = DeviceRunner.decode(DEVICE, book, runner.encode())
    return keeper.told


def short(changes: list[AlertChange]) -> list[tuple[str, int, float, float]]:
    return [
        (one.kind, one.rule_version, (one.onset_ms - START_MS) / 1000, (one.at_ms - START_MS) / 1000)
        for one in changes
    ]


def gone(book: RuleBook) -> None:
    book.remove("a-rule")


CASES: list[tuple[str, list[Step], list[tuple[str, int, float, float]]]] = [
    (
        "a new version raises by its own limit",
        [put(HOT, 1), At(0, 89), put(HOT | {"raise_above": 88}, 2), At(1, 89)],
        [("raised", 2, 1, 1)],
    ),
    (
        "an open alert goes on under the next version and keeps its own",
        [put(HOT, 1), At(0, 91), put(HOT | {"raise_above": 95}, 2), At(1, 92), At(2, 80)],
        [("raised", 1, 0, 0), ("cleared", 1, 0, 2)],
    ),
    (
        "a run goes on when only the duration changed",
        [put(HOT | {"for_s": 60}, 1), At(0, 91), put(HOT | {"for_s": 30}, 2), At(30, 91)],
        [("raised", 2, 0, 30)],
    ),
    (
        "a run starts anew when the limit changed",
        [
            put(HOT | {"for_s": 30}, 1),
            At(0, 91),
            put(HOT | {"for_s": 30, "raise_above": 89}, 2),
            At(29, 91),
            At(59, 91),
        ],
        [("raised", 2, 29, 59)],
    ),
    (
        "a removed rule clears its alert",
        [put(HOT, 1), At(0, 91), At(5, 92), gone],
        [("raised", 1, 0, 0), ("cleared", 1, 0, 5)],
    ),
    (
        "so does a disabled one",
        [put(HOT, 1), At(0, 91), put(HOT, 2, state="disabled"), At(5, 92)],
        [("raised", 1, 0, 0), ("cleared", 1, 0, 0)],
    ),
    (
        "and one whose scope leaves the device",
        [put(HOT, 1), At(0, 91), put(HOT, 2, scope={"sites": ["south"]}), At(5, 92)],
        [("raised", 1, 0, 0), ("cleared", 1, 0, 0)],
    ),
    (
        "a rule that leaves the shadow raises what still holds",
        [put(HOT, 1, state="shadow"), At(0, 91), put(HOT, 2), At(5, 92)],
        [("raised", 1, 0, 0), ("cleared", 1, 0, 0), ("raised", 2, 5, 5)],
    ),
    (
        "a rule that watches something else closes the alert",
        [put(HOT, 1), At(0, 91), put(HOT | {"metric": "w"}, 2), At(5, 92)],
        [("raised", 1, 0, 0), ("cleared", 1, 0, 0)],
    ),
    (
        "a reading from before the edit is not judged by the new version",
        [put(HOT, 1), At(9, 80), put(HOT | {"raise_above": 88}, 2), At(5, 89), At(10, 80)],
        [],
    ),
    (
        "silence goes on over an edit",
        [
            put({"kind": "absence", "after_s": 60}, 1),
            At(0, 1),
            put({"kind": "absence", "after_s": 30}, 2),
            40.0,
        ],
        [("raised", 2, 30, 30)],
    ),
    (
        "a baseline outlives a change of z",
        [
            put(DEVIATION, 1),
            *(At(n * HOUR, 20 + n % 2) for n in range(4)),
            put(DEVIATION | {"z": 2}, 2),
            At(4 * HOUR, 22.5),
        ],
        [("raised", 2, 4 * HOUR, 4 * HOUR)],
    ),
]


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
@pytest.mark.parametrize(("steps", "told"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_rules_change_while_readings_come(
    steps: list[Step], told: list[tuple[str, int, float, float]], cut: bool
) -> None:
    assert short(run(*steps, cut=cut)) == told


def test_shadow_alerts_say_so() -> None:
    changes = run(put(HOT, 1, state="shadow"), At(0, 91), cut=False)
    assert [one.shadow for one in changes] == [True]


def test_an_alert_is_named_by_what_it_is_and_by_nothing_else() -> None:
    assert alert_id("acme", "hot", "pump-1", 1000) == alert_id("acme", "hot", "pump-1", 1000)
    others = {alert_id("acme", "hot", "pump-1", 1001), alert_id("acme", "hot", "pump-2", 1000)}
    assert alert_id("acme", "hot", "pump-1", 1000) not in others
    assert len(alert_id("a", "b", "c", 0)) == 24


def test_devices_of_one_scope_share_their_compiled_rules_until_a_rule_changes() -> None:
    book = RuleBook()
    book.put(rule(HOT, rule="hot", overrides={"pump-9": {"raise_above": 99}}), 1)
    one, other = (book.rules_for(DEVICE._replace(device_id=name)) for name in ("pump-1", "pump-2"))
    assert one is other
    assert book.rules_for(DEVICE._replace(device_id="pump-9")) is not one
    assert book.rules_for(DEVICE._replace(site="south")) is not one
    book.put(rule(HOT, rule="hot"), 2)
    assert book.rules_for(DEVICE) is not one
