"""What the API refuses before any route runs, on every route of the contract alike."""

import json
from functools import cache
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from millrace.settings import Http, Settings

pytestmark = [pytest.mark.web]
JSON = {"Content-Type": "application/json"}
ALERT = "/alerts/" + "a" * 24


@cache
def web() -> TestClient:
    config = Settings(http=Http(max_body_bytes=2_000, allowed_hosts=("api.plant.example", "*.lab.example")))
    return TestClient(create_app(config), base_url="http://127.0.0.1:18000", raise_server_exceptions=False)


def ask(method: str, path: str, **more: Any) -> httpx.Response:
    reply: httpx.Response = web().request(method, path, **more)
    return reply


def refused(status: int, method: str, path: str, **more: Any) -> dict[str, Any]:
    reply = ask(method, path, **more)
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["x-content-type-options"] == "nosniff"
    problem: dict[str, Any] = reply.json()
    assert problem["status"] == status
    return problem


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """Every operation of the contract, with a path that leads to it."""
    paths = web().app.openapi()["paths"]  # type: ignore[attr-defined]
    return [
        (method.upper(), path.replace("{", "").replace("}", ""), told)
        for path, methods in paths.items()
        for method, told in methods.items()
    ]


def test_every_operation_refuses_a_parameter_it_does_not_know() -> None:
    for method, path, _ in operations():
        problem = refused(422, method, path, params={"tenat": "demo"})
        assert problem["where"] == "tenat", (method, path)


@pytest.mark.parametrize(
    ("path", "name", "meant"),
    [
        ("/devices", "sate", "state"),
        ("/data/pump", "metrcs", "metrics"),
        ("/data", "device", "devices"),
        ("/alerts", "servity", "severity"),
        ("/registry/devices", "sites", "site"),
        ("/dead-letters", "form", "from"),
    ],
)
def test_a_misspelt_parameter_is_answered_with_the_nearest_name(path: str, name: str, meant: str) -> None:
    problem = refused(422, "GET", path, params={name: "x"})
    assert problem["detail"] == f"there is no parameter {name!r}; did you mean {meant!r}?"
    assert meant in problem["errors"][0]["accepted"]


def test_one_value_given_twice_is_refused_and_a_list_is_not() -> None:
    assert refused(422, "GET", "/alerts?limit=1&limit=2")["where"] == "limit"
    assert refused(422, "GET", "/data?metrics=a&metrics=b&from=1&from=2")["where"] == "from"


@pytest.mark.parametrize("text", ["%00", "a%00b", "%ff", "%ED%A0%80", "%C3"])
def test_text_that_no_store_can_hold_is_refused_in_paths_and_parameters(text: str) -> None:
    for method, path, told in operations():
        for name in (entry["name"] for entry in told.get("parameters", ()) if entry["in"] == "query"):
            refused(422, method, f"{path}?{name}={text}")
    for path in ("/devices/", "/data/", "/registry/sites/", "/rules/", "/channels/", "/alerts/"):
        refused(422, "GET", f"{path}{text}")
        refused(422, "DELETE", f"{path}{text}")


@pytest.mark.parametrize("text", ['"a\\u0000b"', '"\\ud800"', '{"\\ud800": 1}', "NaN", "1e999"])
def test_text_that_no_store_can_hold_is_refused_in_every_body(text: str) -> None:
    tried = 0
    for method, path, told in operations():
        if "application/json" in told.get("requestBody", {}).get("content", {}):
            refused(422, method, path, content=f'{{"about": [{text}]}}', headers=JSON)
            tried += 1
    assert tried > 10


def test_a_cursor_beyond_ascii_is_refused_wherever_there_is_one() -> None:
    with_cursor = [
        (method, path)
        for method, path, told in operations()
        if "cursor" in [entry["name"] for entry in told.get("parameters", ())]
    ]
    assert len(with_cursor) > 8
    for method, path in with_cursor:
        assert refused(422, method, path, params={"cursor": "ä"})["where"] == "cursor"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": ""},
        {},
    ],
)
def test_a_body_of_another_type_than_documented_is_refused_by_every_write(headers: dict[str, str]) -> None:
    writes = [(method, path) for method, path, _ in operations() if method != "GET"]
    assert len(writes) > 20
    for method, path in writes:
        problem = refused(415, method, path, content=b"a=b", headers=headers)
        assert problem["where"] == "Content-Type", (method, path)


def test_a_form_without_a_body_is_refused_too() -> None:
    refused(415, "POST", f"{ALERT}/acknowledge", headers={"Content-Type": "text/plain"})


def test_an_operation_that_takes_no_body_says_so() -> None:
    problem = refused(422, "POST", f"{ALERT}/acknowledge", json={"comment": "mine"})
    assert (problem["where"], problem["detail"]) == ("body", "this operation takes no body")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:8000"])
def test_a_page_of_another_site_cannot_write(origin: str) -> None:
    refused(403, "POST", f"{ALERT}/acknowledge", headers={"Origin": origin})
    assert ask("GET", "/health/live", headers={"Origin": origin}).status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_refused(chunked: bool) -> None:
    body = json.dumps({"about": "x" * 2_000}).encode()
    parts = (body[start : start + 100] for start in range(0, len(body), 100))
    problem = refused(413, "PUT", "/registry/sites/a", content=parts if chunked else body, headers=JSON)
    assert "2000 bytes" in problem["detail"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:9", 200),
        ("127.0.0.1", 200),
        ("[::1]:18000", 200),
        ("API.plant.example.", 200),
        ("a.lab.example:80", 200),
        ("lab.example", 421),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("10.0.0.1", 421),
        ("", 421),
    ],
)
def test_only_the_hosts_of_this_stack_are_served(host: str, status: int) -> None:
    assert ask("GET", "/health/live", headers={"Host": host}).status_code == status


def test_a_stack_that_listens_everywhere_is_reached_by_any_address_and_by_no_strange_name() -> None:
    client = TestClient(create_app(Settings(bind_host="0.0.0.0")), base_url="http://10.1.2.3:18000")
    assert client.get("/health/live").status_code == 200
    assert client.get("/health/live", headers={"Host": "rebound.example"}).status_code == 421


def test_another_method_is_answered_with_all_that_the_path_knows() -> None:
    by_path: dict[str, set[str]] = {}
    for method, path, _ in operations():
        by_path.setdefault(path, set()).add(method)
    for path, methods in by_path.items():
        reply = ask("PATCH", path)
        assert reply.status_code == 405
        allowed = set(reply.headers["allow"].split(", "))
        assert methods <= allowed, path
        assert ("HEAD" in allowed) == ("GET" in allowed)


@pytest.mark.parametrize("path", ["/", "/health/live", "/channel-kinds", "/docs", "/openapi.json"])
def test_head_answers_as_get_does_without_the_body(path: str) -> None:
    head, get = ask("HEAD", path), ask("GET", path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(get.content))
    assert head.headers["content-type"] == get.headers["content-type"]
    assert ask("HEAD", path, params={"sate": 1}).status_code == (422 if path[:2] not in ("/d", "/o") else 200)


@pytest.mark.parametrize("path", ["/", "/docs", "/nowhere", "/rules/A", "/openapi.json"])
def test_no_answer_can_be_framed_or_guessed_at(path: str) -> None:
    headers = ask("GET", path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_no_error_of_a_body_speaks_of_its_parser() -> None:
    bodies = [b"", b"{", b"[1]", b'"x"', b"null", b'{"lat": 1}', b'{"lat": "x", "lon": 2, "abuot": ""}']
    said = [ask("PUT", "/registry/sites/a", content=body, headers=JSON).text for body in bodies]
    said.append(ask("PUT", "/registry/profiles/default", json={}).text)
    said.append(ask("POST", "/registry/maintenance", json={"duration_s": 1}).text)
    for text in said:
        assert '"status":422' in text
        for word in ("Value error", "Correct 0", "Input should", ".py", "pydantic"):
            assert word not in text, text
    assert "did you mean 'about'?" in said[6]
