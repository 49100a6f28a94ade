import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.answers import Device
from api.problems import WrongParameterError
from api.queries.devices import DeviceState, decode_cursor, describe, encode_cursor, parse_state
from api.queries.hot_store import IndexEntry
from api.queries.known_devices import KnownDevice
from api.queries.presence import state_of

NOW_MS = 1_769_860_800_000
STORED = {
    b"@event_time": b"1769860799000",
    b"@received_at": b"1769860799500",
    b"@location": b'{"lat": 39.9, "lon": 116.4}',
    b"temperature_c": b"1769860799000 21.5",
    b"humidity_pct": b"1769860700000 40",
}


def test_metrics_keep_their_own_times() -> None:
    state = parse_state(1_769_860_799_000, STORED)
    assert state is not None
    assert {name: (value.value, value.time_ms) for name, value in state.latest.items()} == {
        "temperature_c": (21.5, 1_769_860_799_000),
        "humidity_pct": (40.0, 1_769_860_700_000),
    }
    assert state.location is not None
    assert (state.location.lat, state.location.lon, state.location.alt_m) == (39.9, 116.4, None)


def test_a_device_whose_state_expired_is_still_known_by_its_index_entry() -> None:
    state = parse_state(1_769_860_799_000, {})
    assert state is not None
    assert state.last_seen_ms == 1_769_860_799_000
    assert state.latest == {}


def test_the_newer_of_index_and_state_counts_when_a_write_lies_between() -> None:
    state = parse_state(1_769_860_000_000, STORED)
    assert state is not None
    assert state.last_seen_ms == 1_769_860_799_000


def described(state: DeviceState, now_ms: int = NOW_MS) -> Device:
    said = state_of(PRESENT[b"@state"] if state.presence["since_ms"] else None, state.last_seen_ms, now_ms)
    return describe("demo", KnownDevice(state.last_seen_ms, "d1", said), state, now_ms)


def test_a_device_of_which_nothing_is_stored_is_unknown() -> None:
    assert parse_state(None, {}) is None


@pytest.mark.parametrize(("age_ms", "online"), [(0, True), (300_000, True), (300_001, False), (-2_000, True)])
def test_a_device_is_online_for_five_minutes_and_its_freshness_never_negative(
    age_ms: int, online: bool
) -> None:
    state = parse_state(NOW_MS - age_ms, {})
    assert state is not None
    device = described(state)
    assert (device.online, device.freshness_ms) == (online, max(0, age_ms))


PRESENT = STORED | {
    b"@state": b"maintenance",
    b"@since": b"1769860000000",
    b"@session_start": b"1769850000000",
    b"@last_arrival": b"1769860799000",
    b"@site": b"hall-4",
    b"@profile": b"pump",
    b"@flapping": b"1",
    b"@clock_offset": b"-90000",
}


def test_presence_is_what_the_stream_said_whatever_the_newest_event_time_is() -> None:
    state = parse_state(NOW_MS - 1_000, PRESENT)
    assert state is not None
    device = described(state)
    assert (device.state, device.online, device.since) == ("maintenance", False, "2026-01-31T11:46:40.000Z")
    assert (device.session_start_ms, device.site, device.profile) == (1_769_850_000_000, "hall-4", "pump")
    assert (device.flapping, device.clock_offset_ms) == (True, -90_000)
    assert set(device.metrics) == {"temperature_c", "humidity_pct"}


def test_what_the_stream_has_not_said_is_null_and_the_state_by_its_newest_reading() -> None:
    state = parse_state(NOW_MS - 1_000, STORED | {b"@site": b""})
    assert state is not None
    device = described(state)
    unknown = (device.since, device.session_start_ms, device.site, device.flapping)
    assert unknown == (None,) * 4
    assert (device.state, device.online) == ("online", True)


def test_a_clock_that_runs_ahead_makes_nothing_fresher_than_now() -> None:
    ahead_ms = NOW_MS + 240_000
    stored = {
        b"@event_time": str(ahead_ms).encode(),
        b"@received_at": str(NOW_MS - 500).encode(),
        b"temperature_c": f"{ahead_ms} 90.0".encode(),
        b"humidity_pct": f"{NOW_MS - 500} 40.0".encode(),
    }
    state = parse_state(ahead_ms, stored)
    assert state is not None
    device = described(state)
    assert (device.last_seen_ms, device.freshness_ms) == (NOW_MS - 500, 500)
    later = described(state, ahead_ms)
    assert (later.last_seen_ms, later.freshness_ms) == (ahead_ms, 0)


@given(
    st.integers(0, 2**52),
    st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=40),
)
def test_a_cursor_comes_back_as_the_entry_it_was_made_of(last_seen_ms: int, device_id: str) -> None:
    entry = IndexEntry(last_seen_ms, device_id)
    assert decode_cursor(encode_cursor(entry)) == entry


@pytest.mark.parametrize("cursor", ["x", "!!", "YWJj", "ä", "////"])
def test_a_cursor_that_is_none_of_ours_is_refused(cursor: str) -> None:
    with pytest.raises(WrongParameterError) as caught:
        decode_cursor(cursor)
    assert caught.value.errors[0].parameter == "cursor"
