"""The identity read off Avro bytes equals the one the jobs put together from columns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.reading import Location, Reading, encode, identity

pytestmark = pytest.mark.stream

# Lengths on both sides of one, two and three length bytes.
NAME = st.one_of(st.text(max_size=20), st.sampled_from([63, 64, 8191, 8192]).map(lambda n: "ü" * (n // 2)))


@given(NAME, NAME, NAME)
def test_the_identity_is_the_key_and_the_event_id(tenant: str, device_id: str, event_id: str) -> None:
    reading = Reading(
        tenant=tenant,
        device_id=device_id,
        event_id=event_id,
        event_time=1_767_225_600_000,
        metrics={"temperature_c": 21.5},
        location=Location(lat=52.5, lon=13.4),
        received_at=1_767_225_600_040,
        source="mqtt",
    )
    assert identity(encode(reading)) == f"{reading.key.decode()}/{event_id}"
