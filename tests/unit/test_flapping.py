"""A device that comes and goes is named once; when it is calm again its events are true again."""

import pytest

from tests.unit.device_steps import Clock, Seen, Step, Terms, events, feed, feed_into
from udfs.device_state import DeviceEvent, Presence, decode_shard

pytestmark = pytest.mark.sessions


def flaps(times: int, apart_s: float) -> list[Step]:
    """Return a device that is silent and back over and over."""
    steps: list[Step] = [Terms(5), Seen(0)]
    for number in range(times):
        steps += [Clock(number * apart_s + 5), Seen((number + 1) * apart_s)]
    return steps


def test_flapping_is_named_once_and_further_changes_are_no_events() -> None:
    told = events(feed(flaps(50, 20)))
    assert [kind for kind, _, _ in told] == ["online", "offline", "online", "offline", "online", "flapping"]


def test_presence_goes_on_while_a_device_flaps() -> None:
    told = [change for change in feed(flaps(50, 20)) if isinstance(change, Presence)]
    assert [change.state for change in told[-2:]] == ["offline", "online"]
    assert told[-1].flapping


def test_slow_changes_are_no_flapping() -> None:
    assert "flapping" not in [kind for kind, _, _ in events(feed(flaps(20, 650)))]


def test_after_ten_calm_minutes_events_tell_the_truth_again() -> None:
    shard = decode_shard(None)
    feed_into(shard, [*flaps(10, 20), Clock(205)])
    assert events(feed_into(shard, [Clock(804)])) == []
    assert events(feed_into(shard, [Clock(805)])) == [("offline", 805, "calm")]
    assert events(feed_into(shard, [Seen(806)])) == [("online", 806, "reading")]


def test_event_ids_are_unique_and_the_same_in_a_replay() -> None:
    steps = [*flaps(3, 300), *(Seen(2000 + second, first_seq=-second) for second in range(5))]
    first, again = ([c.event_id for c in feed(steps) if isinstance(c, DeviceEvent)] for _ in range(2))
    assert first == again
    assert len(set(first)) == len(first) >= 10
