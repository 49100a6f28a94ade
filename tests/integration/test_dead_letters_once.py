"""Dead letters on real services: found, mended, and replayed once whatever is cut off in between."""

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.queries.dead_letter_replay import REMEMBERED_MS, SETTLED_MS
from catalog.dead_letter_replays import Replay, Replays
from catalog.migrations import connect
from millrace.clock import now_ms, to_iso
from tests.integration.refusal_services import Refusals, running

pytestmark = [pytest.mark.integration, pytest.mark.sessions]

TO_CELSIUS = {"fixes": [{"fix": "rename", "from": "temp", "to": "metrics.temperature_c"}]}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refusals]:
    with running(tmp_path_factory.mktemp("refusals")) as found:
        yield found


@pytest.fixture
def api(services: Refusals) -> Iterator[TestClient]:
    with TestClient(
        create_app(services.config), base_url="http://127.0.0.1", raise_server_exceptions=False
    ) as client:
        yield client


def ask(api: TestClient, method: str, path: str, **more: Any) -> Any:
    reply = api.request(method, f"/dead-letters{path}", **more)
    assert reply.status_code == 200, reply.text
    return reply.json()


def replay(api: TestClient, letter: str, body: Any = TO_CELSIUS, **parameters: Any) -> Any:
    return ask(api, "POST", f"/{letter}/replay", json=body, params=parameters)


def test_letters_are_found_by_reason_device_source_and_time(services: Refusals, api: TestClient) -> None:
    before_ms = now_ms()
    services.refuse(
        b'{"device_id":"find-1","metrics":{}}',
        b'{"device_id":"find-1","metrics":{"a":NaN}}',
        b'{"device_id":"find-2","event_time":1767225600,"metrics":{"a":1}}',
        b"\xff\xfe",
    )

    def reasons(**parameters: Any) -> list[str]:
        parameters = {"from": to_iso(before_ms)} | parameters
        return [letter["reason"] for letter in ask(api, "GET", "", params=parameters)["dead_letters"]]

    everything = ["not_utf8", "event_time_in_seconds", "not_finite", "empty_metrics"]
    assert sorted(reasons()) == sorted(everything)
    assert reasons(reason="not_finite") == ["not_finite"]
    assert reasons(device="find-2") == ["event_time_in_seconds"]
    assert reasons(source="mqtt") == reasons(to=to_iso(before_ms + 1)) == []
    assert reasons(device="find-1' OR 'a' = 'a") == []
    summary = ask(api, "GET", "/summary", params={"from": to_iso(before_ms)})
    assert {(c["reason"], c["source"]): c["count"] for c in summary["counts"]} == {
        (reason, "http"): 1 for reason in everything
    }
    assert (summary["total"], all(c["mend"] for c in summary["counts"])) == (4, True)


def test_one_letter_comes_with_its_bytes_its_meaning_and_what_to_do(
    services: Refusals, api: TestClient
) -> None:
    text, binary = b'{"device_id":"show","metrics":{}}', b'{"device_id":"show \xb0"}'
    services.refuse(text, binary)
    ids = {letter["original"]: letter["dead_letter_id"] for letter in services.dead_letters()}
    shown = ask(api, "GET", f"/{ids[text]}")
    assert (shown["reason"], shown["original"]) == ("empty_metrics", {"text": text.decode(), "base64": None})
    assert "holds nothing" in shown["meaning"]
    assert "replay" in shown["mend"]
    assert shown["replay"] is None
    assert ask(api, "GET", f"/{ids[binary]}")["original"] == {
        "text": None,
        "base64": base64.b64encode(binary).decode(),
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/9-9", 404),
        ("POST", "/9-9/replay", 404),
        ("GET", "/x", 422),
        ("GET", "?cursor=!", 422),
        ("POST", "/replay", 422),
    ],
)
def test_what_is_not_there_or_not_understood_is_a_problem(
    api: TestClient, method: str, path: str, status: int
) -> None:
    reply = api.request(method, f"/dead-letters{path}", json={} if path == "/replay" else None)
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")


def test_a_mended_letter_is_stored_once_and_later_requests_say_so(
    services: Refusals, api: TestClient
) -> None:
    letter = services.refused("once")
    first = replay(api, letter)
    (reading,) = services.of("once")
    assert (first["outcome"], first["repeated"]) == ("accepted", False)
    assert reading.metrics == {"temperature_c": 21.5}
    assert reading.event_id == first["readings"][0]["event_id"] == f"dead-letter-{letter}"
    received = next(row["received_at"] for row in services.dead_letters() if row["dead_letter_id"] == letter)
    assert reading.event_time == round(received.timestamp() * 1000)
    again = replay(api, letter, {"body": {"device_id": "once", "metrics": {"other": 1}}})
    assert (again["outcome"], again["repeated"], again["time"]) == ("accepted", True, first["time"])
    assert again["sent"] == first["sent"]
    assert len(services.of("once")) == 1
    assert ask(api, "GET", f"/{letter}")["replay"]["state"] == "accepted"


def test_many_requests_at_once_send_once(services: Refusals, api: TestClient) -> None:
    letter = services.refused("crowd")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: replay(api, letter), range(8)))
    assert len(services.of("crowd")) == 1
    assert {answer["outcome"] for answer in answers} <= {"accepted", "pending"}
    assert sum(not answer["repeated"] and answer["outcome"] == "accepted" for answer in answers) == 1


def test_a_letter_another_request_holds_is_left_to_it(services: Refusals, api: TestClient) -> None:
    letter = services.refused("held")
    with connect(services.config) as connection, Replays(connection).alone(letter) as held:
        assert held
        left = replay(api, letter)
        assert (left["outcome"], left["repeated"]) == ("pending", True)
        assert (services.of("held"), services.noted(letter)) == ([], [])
    assert replay(api, letter)["outcome"] == "accepted"


def test_a_dry_run_says_what_would_happen_and_changes_nothing(services: Refusals, api: TestClient) -> None:
    letter = services.refused("dry")
    letters = len(services.dead_letters())
    plain = replay(api, letter, {}, dry_run=True)
    assert (plain["outcome"], plain["reason"]) == ("would_be_refused", "unknown_field")
    mended = replay(api, letter, dry_run=True)
    assert (mended["outcome"], mended["repeated"], mended["time"]) == ("would_be_accepted", False, None)
    assert (services.of("dry"), services.noted(letter)) == ([], [])
    assert len(services.dead_letters()) == letters


def test_a_refused_fix_leaves_no_new_dead_letter_and_a_better_one_may_follow(
    services: Refusals, api: TestClient
) -> None:
    letter = services.refused("twice")
    letters = len(services.dead_letters())
    worse = replay(api, letter, {"fixes": [{"fix": "remove", "field": "temp"}]})
    assert (worse["outcome"], worse["reason"]) == ("refused", "missing_metrics")
    unfit = replay(api, letter, {"fixes": [{"fix": "to_number", "field": "device_id"}]})
    assert (unfit["outcome"], unfit["reason"]) == ("refused", "fix_failed")
    assert (len(services.dead_letters()), services.noted(letter)) == (letters, ["refused"])
    assert replay(api, letter)["outcome"] == "accepted"
    assert len(services.of("twice")) == 1


def test_the_same_bytes_refused_twice_are_replayed_once(services: Refusals, api: TestClient) -> None:
    message = b'{"device_id":"resent","event_time":1767225600000,"temp":1}'
    services.refuse(message, message)
    ids = [row["dead_letter_id"] for row in services.dead_letters() if row["original"] == message]
    found = ask(api, "POST", "/replay", json={"ids": ids} | TO_CELSIUS)
    assert [(one["outcome"], one["reason"]) for one in found["outcomes"]] == [
        ("accepted", None),
        ("refused", "already_replayed"),
    ]
    assert len(services.of("resent")) == 1


def test_a_crash_between_the_gateways_answer_and_its_note_doubles_nothing(
    services: Refusals, api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = services.refused("crash")
    note = Replays.note

    def cut_off(self: Replays, replay: Replay) -> None:
        if replay.state == "accepted":
            self._connection.close()
        note(self, replay)

    with monkeypatch.context() as patch:
        patch.setattr(Replays, "note", cut_off)
        assert api.post(f"/dead-letters/{letter}/replay", json=TO_CELSIUS).status_code == 503
    assert services.noted(letter) == ["pending"]
    assert len(services.of("crash")) == 1
    assert replay(api, letter, {"body": {"device_id": "crash", "metrics": {"b": 2}}})["outcome"] == "accepted"
    first, second = services.of("crash")
    # The second copy is a duplicate to the stream: same device, same event id, and the same reading.
    assert (first.event_id, first.metrics, first.event_time) == (
        second.event_id,
        second.metrics,
        second.event_time,
    )
    assert replay(api, letter)["repeated"]
    assert len(services.of("crash")) == 2


def pend(services: Refusals, api: TestClient, device: str, age_ms: int) -> str:
    """Leave a replay as a crash leaves it, sent so long ago, and the topic without it."""
    letter = services.refused(device)
    sent = replay(api, letter, dry_run=True)
    identity = f"demo/{device}/dead-letter-{letter}"
    services.sql(
        "INSERT INTO dead_letter_replay (dead_letter_id, tenant, payload, readings, sent_at) "
        "VALUES (%s, 'demo', %s, %s, to_timestamp(%s / 1000.0))",
        letter,
        sent["sent"].encode(),
        [identity],
        now_ms() - age_ms,
    )
    return letter


def test_a_replay_cut_off_long_ago_is_looked_up_before_it_is_sent_again(
    services: Refusals, api: TestClient
) -> None:
    letter = pend(services, api, "stored", REMEMBERED_MS + 1_000)
    services.post(json.dumps(json.loads(replay(api, letter, dry_run=True)["sent"])).encode())
    (reading,) = services.of("stored")
    services.store(reading)
    found = replay(api, letter)
    assert (found["outcome"], found["repeated"]) == ("accepted", True)
    assert len(services.of("stored")) == 1


def test_a_replay_cut_off_long_ago_waits_until_the_stream_has_come_that_far(
    services: Refusals, api: TestClient
) -> None:
    services.refuse(b'{"device_id":"commit","temp":1}')
    letter = pend(services, api, "unsure", REMEMBERED_MS + 1_000)
    waiting = replay(api, letter)
    assert (waiting["outcome"], waiting["repeated"]) == ("pending", True)
    assert "ask again later" in waiting["detail"]
    assert services.of("unsure") == []
    services.sql(
        "UPDATE dead_letter_replay SET sent_at = sent_at - make_interval(secs => %s) "
        "WHERE dead_letter_id = %s",
        SETTLED_MS / 1000,
        letter,
    )
    services.append("readings", [])
    assert replay(api, letter)["outcome"] == "accepted"
    assert len(services.of("unsure")) == 1


def test_a_selection_is_replayed_page_by_page_each_letter_once(services: Refusals, api: TestClient) -> None:
    for number in range(5):
        services.refuse(
            b'{"device_id":"many","event_id":"e%d","event_time":%d,"metrics":{"a":1}}'
            % (number, 1_767_225_600 + number)
        )
    to_ms = {"fix": "scale", "field": "event_time", "factor": 1000}
    selection = {"filter": {"device": "many", "reason": "event_time_in_seconds"}, "fixes": [to_ms]}
    first = ask(api, "POST", "/replay", json=selection, params={"limit": 3})
    assert first["counts"] == {"accepted": 3}
    rest = ask(api, "POST", "/replay", json=selection, params={"limit": 3, "cursor": first["next_cursor"]})
    assert (rest["counts"], rest["next_cursor"]) == ({"accepted": 2}, None)
    again = ask(api, "POST", "/replay", json=selection)
    assert (again["counts"], all(one["repeated"] for one in again["outcomes"])) == ({"accepted": 5}, True)
    assert sorted(reading.event_id for reading in services.of("many")) == [f"e{n}" for n in range(5)]
    unknown = ask(api, "POST", "/replay", json={"ids": ["9-9"]})
    assert (unknown["unknown_ids"], unknown["outcomes"]) == (["9-9"], [])


def test_while_the_gateway_is_down_nothing_is_lost_and_the_same_request_goes_on(
    services: Refusals, api: TestClient
) -> None:
    letter = services.refused("down")
    services.stop_gateway()
    reply = api.post(f"/dead-letters/{letter}/replay", json=TO_CELSIUS)
    assert (reply.status_code, reply.json()["type"]) == (503, "urn:millrace:problem:gateway-unavailable")
    stopped = ask(api, "POST", "/replay", json={"ids": [letter]} | TO_CELSIUS)
    assert (stopped["outcomes"], bool(stopped["stopped"])) == ([], True)
    services.start_gateway()
    assert replay(api, letter)["outcome"] == "accepted"
    assert len(services.of("down")) == 1
