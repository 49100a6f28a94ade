"""`schemas/openapi.yaml` is what the code answers."""

from functools import cache
from typing import Any

import pytest

from api.app import create_app
from api.openapi import FILE, to_yaml
from millrace.settings import Settings

pytestmark = [pytest.mark.contract, pytest.mark.web]


@cache
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def operations() -> list[tuple[str, dict[str, Any]]]:
    return [
        (path, operation) for path, methods in document()["paths"].items() for operation in methods.values()
    ]


def references(node: Any) -> set[str]:
    if isinstance(node, list):
        return {found for item in node for found in references(item)}
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"].rpartition("/")[2]} if isinstance(node.get("$ref"), str) else set()
    return own | {found for value in node.values() for found in references(value)}


def test_the_file_is_what_the_code_says() -> None:
    assert FILE.read_text() == to_yaml(create_app(Settings())), "run `millrace openapi`"


def test_the_document_does_not_depend_on_the_stack() -> None:
    other = Settings(stack="elsewhere", tenant="someone", port_offset=2000)
    assert create_app(other).openapi() == document()


def test_every_endpoint_of_the_issue_is_described() -> None:
    wanted = {"/", "/devices", "/devices/{device_id}", "/data/{device_id}", "/metrics", "/health"}
    assert wanted <= document()["paths"].keys()


def test_every_wrong_request_is_answered_with_a_problem() -> None:
    wrong = [
        (path, status, list(answer["content"]))
        for path, operation in operations()
        for status, answer in operation["responses"].items()
        if status.startswith("4")
    ]
    assert wrong
    assert [entry for entry in wrong if entry[2] != ["application/problem+json"]] == []


def test_no_reference_leads_nowhere_and_no_schema_is_unused() -> None:
    assert references(document()) == set(document()["components"]["schemas"])


def test_every_parameter_of_data_is_described() -> None:
    parameters = document()["paths"]["/data/{device_id}"]["get"]["parameters"]
    assert [entry["name"] for entry in parameters if "description" not in entry] == []
    assert {"metric", "from", "to", "resolution", "tenant"} <= {entry["name"] for entry in parameters}
