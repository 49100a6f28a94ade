"""A rule made of an AWS IoT Events model, in words to lay beside the model."""

from collections.abc import Iterator

from udfs.notify.quantities import duration, figure
from udfs.rules.kinds.threshold import Threshold
from udfs.rules.model import Rule


def rule_said(rule: Rule) -> str:
    """Return what raises and clears a rule that the importer made."""
    # Its `about` has the comparison as the model wrote it; the limit may lie a hair beside that number.
    return ", ".join((rule.about.partition(" (AWS")[0], *_details(rule)))


def _details(rule: Rule) -> Iterator[str]:
    when = rule.when
    if not isinstance(when, Threshold):
        return
    if when.for_s:
        yield f"for {duration(when.for_s)}"
    clears = when.clear_below if when.clear_below is not None else when.clear_above
    if clears is not None:
        yield f"clears at {figure(clears)}"
    for level in rule.levels:
        limit = level.raise_above if level.raise_above is not None else level.raise_below
        yield f"{level.severity} beyond {figure(limit)}"
