"""Files that people write, as text, YAML or JSON: what is wrong with one names the file and the line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from millrace.errors import MillraceError

_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class UniqueKeyLoader(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, where PyYAML lets the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping; raise ConstructorError at the second of two equal keys."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is not None and key != "<<" and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_text(path: Path) -> str:
    """Return a file as text: UTF-8, or UTF-16 with its byte order mark. MillraceError for anything else."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        return raw.decode("utf-16" if raw.startswith(_UTF_16_MARKS) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise MillraceError(
            f"byte 0x{raw[error.start]:02x} is no UTF-8 text",
            where=f"{path}, line {line_of(raw, error.start)}",
            mend="Save the file as UTF-8.",
        ) from None


def unreadable(path: Path, error: OSError) -> MillraceError:
    """Say why a file cannot be opened or read."""
    return MillraceError(
        f"the file cannot be read: {error.strerror or error}", where=str(path), mend="Check the path."
    )


def line_of(raw: bytes, position: int) -> int:
    """Return the line, from 1, in which a byte stands."""
    return raw.count(b"\n", 0, position) + 1


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file; MillraceError naming the line that is wrong."""
    return parse_yaml(read_text(path), str(path))


def parse_yaml(text: str, where: str, load: Callable[[str], Any] | None = None) -> Any:
    """Return the content of a YAML text; `load` is another way to read it than with unique keys."""
    try:
        return yaml.load(text, UniqueKeyLoader) if load is None else load(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _no_yaml(
            f"it holds the control character U+{error.character:04X}", f"{where}, line {line}"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ": ".join(filter(None, (error.context, error.problem)))
        raise _no_yaml(what, f"{where}, line {mark.line + 1}" if mark else where) from None
    except RecursionError:
        raise _no_yaml("it is nested too deeply", where) from None
    except (yaml.YAMLError, ValueError) as error:
        # A date such as 2025-02-30 is a ValueError of PyYAML.
        raise _no_yaml(str(error), where) from None


def _no_yaml(what: str, where: str) -> MillraceError:
    return MillraceError(f"no YAML: {what}", where=where, mend="Correct the file.")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; MillraceError naming line and column that are wrong."""
    text = read_text(path)
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        where = f"{path}, line {error.lineno}, column {error.colno}"
        raise MillraceError(f"no JSON: {error.msg}", where=where, mend="Correct the file.") from None
    except RecursionError:
        raise MillraceError("no JSON: nested too deeply", where=str(path), mend="Correct the file.") from None
    except ValueError as error:
        raise MillraceError(f"no JSON: {error}", where=str(path), mend="Correct the file.") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"the key {twice[0]!r} stands twice in one object")
    return found
