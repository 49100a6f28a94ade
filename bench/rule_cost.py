"""What a reading costs with 1, 10, 100 and 1,000 rules of which one matches: `python -m bench.rule_cost`.

One device sends three metrics a second; the watermark follows every ten readings, as a busy stream has it.
"""

import time

import typer

from udfs.rules.model import parse_rule
from udfs.rules.reading import RuleDevice, RuleReading
from udfs.rules.rule_book import RuleBook
from udfs.rules.runner import DeviceRunner

READINGS = 20_000
ROUNDS = 3
DEVICE = RuleDevice("acme", "pump-1", "north", "pump")


def main() -> None:
    readings = [
        RuleReading(
            number * 1000, {"temperature_c": 60.0 + number % 50, "pressure_bar": 1.0, "flow_lpm": 3.0}
        )
        for number in range(READINGS)
    ]
    for rules in (1, 10, 100, 1000):
        best_ns = min(_round_ns(rules, readings) for _ in range(ROUNDS))
        typer.echo(f"{rules:>5} rules  {best_ns:>6.0f} ns a reading")


def _round_ns(rules: int, readings: list[RuleReading]) -> float:
    runner = DeviceRunner(DEVICE, _book(rules))
    started_ns = time.process_time_ns()
    for number, reading in enumerate(readings):
        runner.take((reading,))
        if number % 10 == 9:
            runner.pass_time(reading.event_time_ms - 10_000)
    return (time.process_time_ns() - started_ns) / len(readings)


def _book(rules: int) -> RuleBook:
    book = RuleBook()
    for number in range(rules):
        metric = "temperature_c" if number == 0 else f"metric_{number}"
        when = {"kind": "threshold", "metric": metric, "raise_above": 105, "clear_below": 100}
        book.put(parse_rule({"rule": f"rule-{number}", "when": when}), 1)
    return book


if __name__ == "__main__":
    main()
