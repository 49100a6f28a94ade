"""The API's contract: the OpenAPI document with problems for errors, and its file in `schemas/`."""

from typing import Any

import yaml
from fastapi import FastAPI
from pydantic import TypeAdapter

from api.notifier.discovery import kinds
from api.problems import MEDIA_TYPE, Problem
from api.queries.rule_kinds import component_schemas
from millrace.contracts import SCHEMAS
from udfs.rules.model import Rule

FILE = SCHEMAS / "openapi.yaml"
_REPLACED = ("HTTPValidationError", "ValidationError")
_WRITES = frozenset({"post", "put", "patch", "delete"})
# What `api/edge.py` may answer on every route; a route says 422 in its own words.
_AT_THE_EDGE = {
    "413": "The body is larger than this API takes.",
    "421": "The Host header names no host of this API.",
    "422": "A parameter is wrong, unknown or given twice.",
}
_OF_WRITES = {
    "403": "It comes from a page of another site.",
    "415": "The body's media type is not read here.",
}
_REFERENCE = "#/components/schemas/{model}"


def describe(app: FastAPI) -> None:
    """Make the application describe its errors as it answers them."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _document_problems(generate())
        return generate()

    app.openapi = openapi  # type: ignore[method-assign]


def _document_problems(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name in _REPLACED:
        schemas.pop(name, None)
    problem = TypeAdapter(Problem).json_schema(ref_template=_REFERENCE)
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem
    _document_forms(document)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _document_errors(path, method, operation)


def _document_forms(document: dict[str, Any]) -> None:
    """Say what a rule and a channel are by the types that read them."""
    channels = list(kinds().values())
    shown, hidden = [kind.settings for kind in channels], [kind.secret for kind in channels]
    forms = component_schemas([Rule, *shown, *hidden])
    schemas = document["components"]["schemas"]
    taken = forms.keys() & schemas.keys()
    assert not taken, f"two schemas are named {taken}"
    schemas |= forms
    request = schemas["ChannelRequest"]["properties"]
    request["settings"] |= {"anyOf": _references(shown)}
    request["secret"] |= {"anyOf": [*_references(hidden), {"type": "null"}]}
    (rule,) = _references([Rule])
    for path, operation in (("/rules", "post"), ("/rules/{rule}", "put")):
        document["paths"][path][operation]["requestBody"]["content"]["application/json"]["schema"] = rule
    imported = document["paths"]["/rules/import"]["post"]["requestBody"]["content"]
    imported["application/json"]["schema"]["items"] = rule
    drafted = document["paths"]["/rules/{rule}/backtest"]["post"]["requestBody"]["content"]
    drafted["application/json"]["schema"] = {"anyOf": [rule, {"type": "null"}]}


def _references(shapes: list[Any]) -> list[dict[str, str]]:
    return [{"$ref": _REFERENCE.format(model=shape.__name__)} for shape in shapes]


def _document_errors(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    # A route names the errors of its own; those that all share are named here.
    wanted = {
        status: answer["description"]
        for status, answer in responses.items()
        if _is_bare(status, answer) and answer["description"] != "Validation Error"
    }
    wanted |= {"404": "Unknown device or metric."} if "{device_id}" in path and "404" not in wanted else {}
    if path.startswith(("/devices", "/data")) and "503" not in wanted:
        wanted |= {"503": "Redis does not answer."}
    wanted = _AT_THE_EDGE | (_OF_WRITES if method in _WRITES else {}) | wanted
    for status, about in sorted(wanted.items()):
        schema = {"$ref": _REFERENCE.format(model="Problem")}
        responses[status] = {"description": about, "content": {MEDIA_TYPE: {"schema": schema}}}


def _is_bare(status: str, answer: dict[str, Any]) -> bool:
    return status[0] in "45" and "content" not in answer


def to_yaml(app: FastAPI) -> str:
    """Write the document as the YAML that lies in `schemas/openapi.yaml`."""
    return "# Made by `millrace openapi`; the code is the source.\n" + yaml.safe_dump(
        app.openapi(), sort_keys=False, width=110, allow_unicode=True
    )
