"""Which operation a request means, by the OpenAPI document: the contract is what is enforced."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

_PARAMETER = re.compile(r"\{[^}]+\}")


class Operation(NamedTuple):
    """What one method of a path takes; `lists` are parameters that may be repeated."""

    parameters: tuple[str, ...]
    lists: frozenset[str]
    media_types: tuple[str, ...]
    body: Mapping[str, Any] | None


class Matched(NamedTuple):
    """All that a path answers to, and the operation that was asked for, if there is one."""

    methods: tuple[str, ...]
    operation: Operation | None


class ContractPaths:
    """The paths of an OpenAPI document, those without parameters first."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    @cached_property
    def _paths(self) -> list[tuple[re.Pattern[str], dict[str, Operation]]]:
        paths = sorted(self._document["paths"].items(), key=lambda entry: entry[0].count("{"))
        return [
            (_pattern(path), {method.upper(): _operation(told) for method, told in methods.items()})
            for path, methods in paths
        ]

    @property
    def schemas(self) -> Mapping[str, Any]:
        """The document itself, in which references are resolved."""
        return self._document

    def match(self, path: str, method: str) -> Matched | None:
        """Return what is at a path; None when the document does not know it."""
        # A name that is a path of its own, such as `import`, is none of a rule.
        found = next((operations for pattern, operations in self._paths if pattern.fullmatch(path)), None)
        if found is None:
            return None
        methods = {*found, *({"HEAD"} if "GET" in found else ())}
        return Matched(tuple(sorted(methods)), found.get(method))


def _pattern(path: str) -> re.Pattern[str]:
    parts = [re.escape(part) for part in _PARAMETER.split(path)]
    return re.compile("[^/]+".join(parts), re.DOTALL)


def _operation(told: Mapping[str, Any]) -> Operation:
    query = [entry for entry in told.get("parameters", ()) if entry["in"] == "query"]
    content = told.get("requestBody", {}).get("content", {})
    return Operation(
        parameters=tuple(entry["name"] for entry in query),
        lists=frozenset(entry["name"] for entry in query if _is_list(entry["schema"])),
        media_types=tuple(content),
        body=content.get("application/json", {}).get("schema"),
    )


def _is_list(schema: Mapping[str, Any]) -> bool:
    return any(form.get("type") == "array" for form in (schema, *schema.get("anyOf", ())))
