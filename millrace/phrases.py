"""Phrases for people: counts with their noun, the names there are, text that cannot steer a terminal."""

import unicodedata
from collections.abc import Iterable
from typing import Final

from millrace.nearest import nearest

# Controls, lone surrogates, separators of lines; formatting characters but joiners, which emoji need.
_HARMFUL: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS: Final = frozenset("\u200c\u200d")


def counted(count: int, singular: str, plural: str = "") -> str:
    """Return a count with its noun in the right number: `1 reading`, `0 readings`, `1,200 readings`.

    The plural is the singular with an s unless it is given.
    """
    return f"{count:,} {singular if count == 1 else plural or f'{singular}s'}"


def known_names(asked: str, known: Iterable[str]) -> str:
    """Return the advice for a name that does not exist: the one most like it, and all there are."""
    names = list(known)
    return f"{suggestion(asked, names)}There are: {', '.join(names)}." if names else "There are none."


def suggestion(asked: str, known: Iterable[str]) -> str:
    """Return `Did you mean X? ` for the known name most like the asked one, or nothing."""
    meant = nearest(asked, known)
    return f"Did you mean {meant}? " if meant else ""


def harmless(text: str) -> str:
    """Return text of one line in which what could steer a terminal is replaced; line breaks become spaces."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_harmless_letter, text.replace("\r\n", "\n")))


def _harmless_letter(letter: str) -> str:
    if letter in "\n\t":
        return " "
    is_harmful = unicodedata.category(letter) in _HARMFUL and letter not in _JOINERS
    return "\N{REPLACEMENT CHARACTER}" if is_harmful else letter


def figure_text(value: float) -> str:
    """Return a number as people write it: whole ones with all digits, others with at most 15 that count."""
    if value == value and abs(value) < 1e17 and value == int(value):
        return f"{int(value)}"
    return f"{value:.15g}"
