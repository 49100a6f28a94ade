"""What keys a place in a JSON document may have, by its JSON Schema; and pydantic's errors in words."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from millrace.nearest import did_you_mean

Schema = Mapping[str, Any]
Place = Sequence[str | int]
_PREFIXES = ("Value error, ", "Assertion failed, ")


class Wrong(NamedTuple):
    """One thing that is wrong with a document: where, what, and what would be right, if that can be named."""

    place: str
    what: str
    accepted: str | None = None


def keys_at(schema: Schema, place: Place, value: Any = None) -> list[str]:
    """Return the keys an object may have at a place; empty when any key may stand there.

    `value` is the whole document: it says which of several forms is meant.
    """
    found = [schema]
    for part in place:
        found = [inner for form in _forms(schema, found, value) for inner in _inside(form, part)]
        value = _value_at(value, part)
    names = [name for form in _forms(schema, found, value) for name in form.get("properties", ())]
    return list(dict.fromkeys(names))


def _forms(root: Schema, schemas: list[Schema], value: Any) -> Iterator[Schema]:
    for schema in schemas:
        if "$ref" in schema:
            yield from _forms(root, [_referred(root, schema["$ref"])], value)
        for union in ("anyOf", "oneOf", "allOf"):
            chosen = _chosen(root, schema, value)
            yield from _forms(root, chosen if chosen is not None else list(schema.get(union, ())), value)
            if chosen is not None:
                break
        if "properties" in schema or "additionalProperties" in schema or "items" in schema:
            yield schema


def _chosen(root: Schema, schema: Schema, value: Any) -> list[Schema] | None:
    mark = schema.get("discriminator")
    if not mark or not isinstance(value, dict):
        return None
    reference = mark.get("mapping", {}).get(value.get(mark["propertyName"]))
    return [_referred(root, reference)] if reference else None


def _referred(root: Schema, reference: str) -> Schema:
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def _inside(schema: Schema, part: str | int) -> list[Schema]:
    if isinstance(part, int):
        items = schema.get("items")
        return [items] if isinstance(items, Mapping) else []
    if part in schema.get("properties", {}):
        return [schema["properties"][part]]
    more = schema.get("additionalProperties")
    return [more] if isinstance(more, Mapping) else []


def _value_at(value: Any, part: str | int) -> Any:
    if isinstance(part, int):
        return value[part] if isinstance(value, list) and part < len(value) else None
    return value.get(part) if isinstance(value, dict) else None


def written(place: Place) -> str:
    """Return a place as people write it, such as `devices[3].site`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


def unknown_key(place: Place, known: Sequence[str]) -> Wrong:
    """Return what to say of a key that does not exist at its place."""
    key = str(place[-1])
    accepted = f"one of {', '.join(known)}" if known else None
    return Wrong(written(place), f"there is no key {key!r}{did_you_mean(key, known)}", accepted)


def in_words(errors: Sequence[Any], schema: Schema, value: Any = None) -> list[Wrong]:
    """Return pydantic's errors in words; an unknown key with the nearest name of `schema`."""
    return [_wrong(error["type"], tuple(error["loc"]), error["msg"], schema, value) for error in errors]


def _wrong(kind: str, place: Place, message: str, schema: Schema, value: Any) -> Wrong:
    if kind == "extra_forbidden":
        return unknown_key(place, keys_at(schema, place[:-1], value))
    what = message
    for prefix in _PREFIXES:
        what = what.removeprefix(prefix)
    # Pydantic says "Input should be a valid integer, ..."; what follows is the accepted form.
    accepted = what.partition(" should ")[2].removeprefix("be ")
    return Wrong(written(place), re.sub(r"^[A-Z][a-z]+ should", "it should", what), accepted or None)
