"""The known name that a misspelt one was probably meant to be."""

from collections.abc import Iterable
from difflib import SequenceMatcher

# Below this likeness a guess misleads more than it helps.
_LEAST_LIKENESS = 0.6


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like `name`, whatever the case; None when none is like it."""
    ranked = sorted(
        ((_likeness(name, other), other) for other in known), key=lambda pair: (-pair[0], pair[1])
    )
    return ranked[0][1] if ranked and ranked[0][0] >= _LEAST_LIKENESS else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` to end a sentence with, or nothing."""
    found = nearest(name, known)
    return f"; did you mean {found!r}?" if found else ""


def _likeness(name: str, other: str) -> float:
    return SequenceMatcher(None, _plain(name), _plain(other)).ratio()


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_")
