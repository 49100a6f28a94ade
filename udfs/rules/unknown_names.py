"""Names in a rule that nobody has: it is well formed, and will never fire, or not where it was meant to."""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from millrace.nearest import did_you_mean
from udfs.rules.evaluator import Evaluator
from udfs.rules.model import Rule


class KnownNames(NamedTuple):
    """What a tenant has; None where whoever knows does not answer, so that nobody can say what is missing."""

    sites: Collection[str] | None = None
    profiles: Collection[str] | None = None
    tags: Collection[str] | None = None
    devices: Collection[str] | None = None
    metrics: Collection[str] | None = None


def unknown_names(rule: Rule, known: KnownNames) -> list[str]:
    """Return a sentence for each name that nobody has, with the one most like it."""
    scope = rule.scope
    devices = dict.fromkeys((*scope.devices, *rule.overrides))
    metrics = {
        name: None for device in ("", *rule.overrides) for name in Evaluator(rule, device).metrics if name
    }
    return [
        *_sentences("there is no site", scope.sites, known.sites),
        *_sentences("there is no profile", scope.profiles, known.profiles),
        *_sentences("no device has tag", scope.tags, known.tags),
        *_sentences("nobody knows a device", devices, known.devices),
        *_sentences("no device has sent metric", metrics, known.metrics),
    ]


def _sentences(beginning: str, named: Collection[str], known: Collection[str] | None) -> Iterator[str]:
    for name in named:
        if known is not None and name not in known:
            yield f"{beginning} {name!r}{did_you_mean(name, known)}"
