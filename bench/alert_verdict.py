"""What the stream told of alerts against what it had to tell, instance by instance."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

from tests.oracle.rule_versions import Alert

_SHOWN: Final = 5
Instance = tuple[str, str, int]
Record = Mapping[str, Any]


class Verdict(NamedTuple):
    """How many alerts were expected, how many records told of them, how many only repeated another."""

    alerts: int
    records: int
    repeated: int
    differences: list[str]


def judge_alerts(expected: Collection[Alert], records: Iterable[Record]) -> Verdict:
    """Compare records of topic `alerts` with what had to come; the same record again is no fault."""
    told: defaultdict[Instance, Counter[tuple[Any, ...]]] = defaultdict(Counter)
    by_content: dict[tuple[Any, ...], Record] = {}
    for record in records:
        content = _content(record)
        by_content[content] = record
        told[instance_of(record)][content] += 1
    wanted = {(alert.rule, alert.device_id, alert.onset_ms): alert for alert in expected}
    faults: defaultdict[str, list[Instance]] = defaultdict(list)
    for instance in wanted.keys() | told.keys():
        said = [by_content[content] for content in told.get(instance, ())]
        for fault in _faults(wanted.get(instance), said):
            faults[fault].append(instance)
    counts = [times for contents in told.values() for times in contents.values()]
    return Verdict(len(wanted), sum(counts), sum(counts) - len(counts), _in_words(faults))


def instance_of(record: Record) -> Instance:
    """Return rule, device and onset of a record."""
    return record["rule"], record["device_id"], record["onset_ms"]


def _content(record: Record) -> tuple[Any, ...]:
    return tuple(tuple(sorted(v.items())) if isinstance(v, Mapping) else v for v in record.values())


def _faults(wanted: Alert | None, said: Collection[Record]) -> list[str]:
    raised = [record for record in said if record["kind"] == "raised"]
    cleared = [record for record in said if record["kind"] == "cleared"]
    if wanted is None:
        return ["were told and should not be"]
    if not raised:
        return ["were never told"]
    found = []
    if len(raised) > 1 or len(cleared) > 1 or len({record["alert_id"] for record in said}) > 1:
        found.append("were told twice, differently")
    if {record["rule_version"] for record in said} != {wanted.version}:
        found.append("are by a version that was not in force")
    if {record["at_ms"] for record in cleared} != {wanted.cleared_ms} - {None}:
        found.append("did not clear when they should")
    if len(said) > len(raised) + len(cleared):
        found.append("were taken back or changed")
    return found


def _in_words(faults: Mapping[str, list[Instance]]) -> list[str]:
    return [
        f"{len(instances):,} alerts {fault}: "
        + ", ".join("/".join(map(str, instance)) for instance in sorted(instances)[:_SHOWN])
        for fault, instances in sorted(faults.items())
    ]
