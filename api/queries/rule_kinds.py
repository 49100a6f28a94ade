"""The forms of rules and channels as JSON Schemas, made from the types that read them."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec

from api.rule_answers import RuleKind, RuleKinds
from udfs.rules.condition import Condition
from udfs.rules.discovery import kinds
from udfs.rules.model import Rule

COMPONENTS = "#/components/schemas/"


@cache
def list_kinds() -> RuleKinds:
    """Return the kinds of conditions and the form of each."""
    found = [_kind(name, kind) for name, kind in kinds().items()]
    return RuleKinds(kinds=found, rule=struct_schema(Rule))


def _kind(name: str, kind: type[Condition]) -> RuleKind:
    about = " ".join((kind.__doc__ or "").strip().partition("\n\n")[0].split())
    example: dict[str, Any] = {
        "rule": f"example-{name.replace('_', '-')}",
        "about": about,
        "when": dict(kind.example),
    }
    return RuleKind(kind=name, about=about, condition=struct_schema(kind), example=example)


def struct_schema(shape: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON Schema of a struct, complete in itself."""
    schema = _plain(msgspec.json.schema(shape))
    definitions = schema.pop("$defs", {})
    own = definitions.pop(schema["$ref"].rpartition("/")[2])
    return dict(own) | ({"$defs": definitions} if definitions else {})


def component_schemas(shapes: Iterable[type[msgspec.Struct]]) -> dict[str, Any]:
    """Return the schemas of structs, and of all they hold, as components of an OpenAPI document."""
    _, components = msgspec.json.schema_components(shapes, ref_template=COMPONENTS + "{name}")
    return {name: _plain(schema) for name, schema in components.items()}


def _plain(schema: Any) -> Any:
    """Write a schema in words that every reader of JSON Schema knows."""
    if isinstance(schema, list):
        return [_plain(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _plain(inner) for name, inner in schema.items()}
    if isinstance(plain.get("pattern"), str):
        # The end of text is Python's own word.
        plain["pattern"] = plain["pattern"].replace("\\Z", "$")
    if isinstance(plain.get("description"), str):
        plain["description"] = "\n".join(line.strip() for line in plain["description"].splitlines())
    properties = plain.get("properties")
    if isinstance(properties, dict) and "enum" in properties.get("kind", {}):
        # The tag of a union: it must be said, as it says which of them is meant.
        plain["required"] = list(dict.fromkeys(["kind", *plain.get("required", ())]))
    return plain
