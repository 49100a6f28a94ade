"""Presence as fields of the device's hash."""

import pytest

from udfs.presence_fields import presence_fields

pytestmark = pytest.mark.sessions


def test_what_is_known_is_a_field_and_what_is_not_is_removed() -> None:
    values = ("online", 1_000, float("nan"), 2_000, "hall", "pump", True, None)
    known, unknown = presence_fields(*values)
    assert known == {
        "@state": "online",
        "@since": "1000",
        "@last_arrival": "2000",
        "@site": "hall",
        "@profile": "pump",
        "@flapping": "1",
    }
    assert unknown == ["@session_start", "@clock_offset"]


def test_a_number_arrow_made_a_double_of_is_whole_again() -> None:
    known, unknown = presence_fields("offline", 1, 1.767225600123e12, 2, "", "default", False, -90_000.0)
    assert (known["@session_start"], known["@clock_offset"]) == ("1767225600123", "-90000")
    assert (known["@site"], known["@flapping"], unknown) == ("", "0", [])
