"""Rules as YAML text: one rule a document, in the form of `udfs/rules/model.py`."""

import re
from collections.abc import Iterable
from typing import Any

import yaml

from millrace.documents import UniqueKeyLoader, parse_yaml
from millrace.errors import MillraceError
from udfs.rules.model import Rule, parse_rule, rule_data


def read_rules(text: str, where: str = "") -> list[Rule]:
    """Read every rule of a YAML text: one or several documents, each a rule or a list of rules.

    Raises MillraceError for text that is no YAML, a rule that is wrong, and a name used twice.
    """
    rules = [parse_rule(data, where) for data in _written(text, where)]
    names = [rule.rule for rule in rules]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise MillraceError(f"Rules are named twice: {', '.join(twice)}", where=where, mend="Rename them.")
    return rules


def write_rules(rules: Iterable[Rule]) -> str:
    """Write rules as YAML that `read_rules` reads back as the same."""
    return yaml.dump_all(
        (rule_data(rule) for rule in rules),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
        explicit_start=True,
        default_flow_style=None,
    )


def _written(text: str, where: str) -> list[Any]:
    # A safe loader all the same: only what plain words mean is different.
    documents = parse_yaml(text, where, lambda written: list(yaml.load_all(written, Loader=_Loader)))
    found: list[Any] = []
    for document in documents:
        found += document if isinstance(document, list) else [document] if document is not None else []
    return found


class _Loader(UniqueKeyLoader):
    """Reads plain words as YAML 1.2 does: `on` is no truth, 08:00 no number, a date no date."""

    yaml_implicit_resolvers: dict[str, Any] = {}


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), list(_first))


class _Dumper(yaml.SafeDumper):
    """Writes a reading of an example on one line."""

    def represent_list(self, data: Any) -> yaml.SequenceNode:
        """Represent a list, a reading in flow style."""
        flow = True if data and isinstance(data[0], int | float) else None
        return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flow)


_Dumper.add_representer(list, _Dumper.represent_list)
