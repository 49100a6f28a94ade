"""Which rules are in force at a moment of the log.

A version is in force for what the log holds from `DELAY_MS` after the version itself on: long enough for the
change to reach every worker before the first reading it concerns. So the version by which a reading is judged
follows from the log alone, and a job that goes back to a checkpoint tells the same alerts again, by the same
versions.
"""

from typing import Final, NamedTuple

import msgspec

from udfs.rules.arrived import ArrivedRule
from udfs.rules.model import Rule
from udfs.rules.rule_book import RuleBook

DELAY_MS: Final = 3_000
# Changes of one rule since the log was last known to be read; a bound of memory, beyond what people do.
MOST_KEPT: Final = 1_000


class KnownRule(msgspec.Struct, array_like=True, frozen=True):
    """A version of a rule and the log time of its change; `definition` is empty when it is out of force."""

    version: int
    log_time_ms: int
    definition: str


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[KnownRule])
_rules = msgspec.json.Decoder(Rule)


class _Page(NamedTuple):
    from_ms: int
    book: RuleBook


class RuleTimeline:
    """The rules of one tenant over the log."""

    def __init__(self) -> None:
        self._pages = [_Page(-(2**62), RuleBook())]
        self._known: dict[str, list[KnownRule]] = {}
        self._read_ms = -(2**62)

    def put(self, name: str, known: KnownRule) -> bool:
        """Take a version; False when it, or a newer one, is known already.

        Raises msgspec.ValidationError when the definition is no rule; the version before stays in force.
        """
        history = self._known.setdefault(name, [])
        if history and history[-1].version >= known.version:
            return False
        history.append(known)
        self._known[name] = _recent(history, self._read_ms - DELAY_MS)
        rule = _rules.decode(known.definition) if known.definition else None
        self._turn(name, rule, known)
        return True

    def _turn(self, name: str, rule: Rule | None, known: KnownRule) -> None:
        newest = self._pages[-1]
        from_ms = max(known.log_time_ms + DELAY_MS, newest.from_ms)
        book = newest.book if from_ms == newest.from_ms else newest.book.copy()
        if rule is None:
            book.remove(name)
        else:
            book.put(rule, known.version)
        if book is not newest.book:
            self._pages.append(_Page(from_ms, book))

    def book_at(self, log_time_ms: int) -> RuleBook:
        """Return the rules in force at a moment of the log."""
        pages = self._pages
        return next((page.book for page in reversed(pages) if page.from_ms <= log_time_ms), pages[0].book)

    def forget(self, read_ms: int) -> None:
        """Forget what was in force before this moment: nobody will ask for it, the log is read up to here."""
        self._read_ms = max(self._read_ms, read_ms)
        passed = sum(page.from_ms <= self._read_ms for page in self._pages)
        del self._pages[: max(0, passed - 1)]

    def encode(self, name: str) -> bytes:
        """Return the lately known versions of a rule, to be kept."""
        return _encoder.encode(self._known.get(name, []))


def restored(data: bytes) -> list[KnownRule]:
    """Return the versions that were kept, oldest first."""
    return _decoder.decode(data)


def known_rule(arrived: ArrivedRule) -> KnownRule:
    """Return what is to be known of a record of topic `rules`."""
    gone = arrived.state in {"deleted", "disabled"}
    return KnownRule(arrived.version, arrived.log_time_ms, "" if gone else arrived.definition)


def _recent(history: list[KnownRule], since_ms: int) -> list[KnownRule]:
    """Leave out versions that were followed by another before this moment."""
    first = next(
        place
        for place in range(len(history))
        if place == len(history) - 1 or history[place + 1].log_time_ms > since_ms
    )
    return history[max(first, len(history) - MOST_KEPT) :]
