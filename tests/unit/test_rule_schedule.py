"""When a schedule opens next: days, nights and clock changes."""

from datetime import datetime

import msgspec
import pytest

from udfs.rules.schedule import Schedule

pytestmark = pytest.mark.alerts

WORK = {
    "timezone": "Europe/Berlin",
    "days": ["mon", "tue", "wed", "thu", "fri"],
    "from": "08:00",
    "to": "18:00",
}
NIGHT = {"timezone": "UTC", "days": ["fri"], "from": "22:00", "to": "06:00"}
ALWAYS: dict[str, str] = {}
SUMMER = {"timezone": "Europe/Berlin", "days": ["sun"], "from": "02:30", "to": "04:00"}
CASES = [
    ("open at its start", WORK, "2024-01-01T08:00:00+01:00", "2024-01-01T08:00:00+01:00"),
    ("closed at its end", WORK, "2024-01-01T18:00:00+01:00", "2024-01-02T08:00:00+01:00"),
    ("open a moment before", WORK, "2024-01-01T17:59:59+01:00", "2024-01-01T17:59:59+01:00"),
    ("over the weekend", WORK, "2024-01-05T20:00:00+01:00", "2024-01-08T08:00:00+01:00"),
    ("a night belongs to the day it begins", NIGHT, "2024-01-06T05:00:00+00:00", "2024-01-06T05:00:00+00:00"),
    ("and not to the day it ends", NIGHT, "2024-01-05T05:00:00+00:00", "2024-01-05T22:00:00+00:00"),
    ("nearly a week later", NIGHT, "2024-01-06T06:00:00+00:00", "2024-01-12T22:00:00+00:00"),
    ("always open", ALWAYS, "2024-01-06T06:00:00+00:00", "2024-01-06T06:00:00+00:00"),
    ("summer time begins", WORK, "2024-04-01T06:30:00+02:00", "2024-04-01T08:00:00+02:00"),
    ("a start that the clock skips", SUMMER, "2024-03-31T01:00:00+01:00", "2024-03-31T03:30:00+02:00"),
    ("a start that comes twice", SUMMER, "2024-10-27T00:00:00+02:00", "2024-10-27T02:30:00+02:00"),
]


@pytest.mark.parametrize(("form", "at", "opens"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_a_schedule_opens(form: dict[str, object], at: str, opens: str) -> None:
    schedule = msgspec.convert(form, Schedule)
    moment = datetime.fromisoformat(at).timestamp() * 1000
    assert schedule.opens_ms(round(moment)) == datetime.fromisoformat(opens).timestamp() * 1000


@pytest.mark.parametrize(
    "form", [{"days": []}, {"from": "08:00", "to": "08:00"}, {"from": "25:00"}, {"timezone": "../etc"}]
)
def test_a_schedule_that_means_nothing_is_refused(form: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(form, Schedule)
