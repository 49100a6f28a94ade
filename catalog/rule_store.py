"""Rules in PostgreSQL: each change is a new version, and none is ever deleted from the record.

A definition is a rule as people write it. Whoever calls has judged it (see `udfs.rules`): this layer may not.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Json, Jsonb

from catalog.statements import statements
from millrace.errors import MillraceError
from millrace.phrases import suggestion

State = Literal["enabled", "shadow", "disabled", "deleted"]
MOST_RULES: Final = 100_000


class NoSuchRuleError(MillraceError):
    """The tenant has no rule of this name, or it was deleted."""


class RuleExistsError(MillraceError):
    """A rule of this name is there already."""


class OtherVersionError(MillraceError):
    """The rule was changed since the caller read it."""


class StoredRule(NamedTuple):
    """A rule at one version, or one that another wrote in its place."""

    tenant: str
    rule: str
    version: int
    state: State
    definition: dict[str, Any]
    updated_at: datetime
    updated_by: str


class Entry(NamedTuple):
    """A rule to be written."""

    rule: str
    state: State
    definition: dict[str, Any]


class Change(NamedTuple):
    """Who writes, and when."""

    actor: str
    at: datetime


class Imported(NamedTuple):
    """What a write of many rules did, by the names of the rules."""

    created: list[str]
    changed: list[str]
    unchanged: list[str]


class RuleStore:
    """One tenant's rules; a write joins the caller's transaction, or is one of its own."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self.connection = connection
        self.tenant = tenant

    def rules(
        self, *, state: str | None = None, after: str = "", limit: int = MOST_RULES
    ) -> list[StoredRule]:
        """Return rules in the order of their names, from behind `after`, without deleted ones."""
        return self._rows("list", state=state, after=after, limit=limit)

    def get(self, rule: str) -> StoredRule:
        """Return a rule as it is now; NoSuchRuleError."""
        found = self._known([rule]).get(rule)
        if found is None or found.state == "deleted":
            raise NoSuchRuleError(
                f"tenant {self.tenant!r} has no rule {rule!r}",
                where="rule",
                mend=f"{self._meant(rule)}GET /rules or `millrace rules list` shows those there are.",
            )
        return found

    def _meant(self, rule: str) -> str:
        return suggestion(rule, (one.rule for one in self.rules()))

    def versions(self, rule: str) -> Sequence[StoredRule]:
        """Return all versions of a rule, newest first, also of a deleted one; NoSuchRuleError."""
        return self._rows("versions", rule=rule) or [self.get(rule)]

    def create(self, entry: Entry, change: Change) -> StoredRule:
        """Write a new rule; RuleExistsError. The name of a deleted one may be used again."""
        with self._alone():
            known = self._known([entry.rule]).get(entry.rule)
            if known is not None and known.state != "deleted":
                raise RuleExistsError(
                    f"there is a rule {entry.rule!r} already, at version {known.version}",
                    where="rule",
                    mend="PUT it with If-Match, or choose another name.",
                )
            self._write([entry], change, {entry.rule: "create"})
            return self.get(entry.rule)

    def replace(self, entry: Entry, expected: int, change: Change) -> StoredRule:
        """Write a rule over version `expected`, unless it is the same; NoSuchRuleError, OtherVersionError."""
        with self._alone():
            known = self._expected(entry.rule, expected)
            if not _same(known, entry):
                self._write([entry], change, {entry.rule: "change"})
            return self.get(entry.rule)

    def delete(self, rule: str, expected: int | None, change: Change) -> None:
        """Take a rule out of force; its versions stay. NoSuchRuleError, OtherVersionError."""
        with self._alone():
            known = self.get(rule) if expected is None else self._expected(rule, expected)
            self._write([Entry(rule, "deleted", known.definition)], change, {rule: "delete"})

    def import_rules(self, entries: Sequence[Entry], change: Change) -> Imported:
        """Bring rules to what is given, all or nothing; what is not named stays."""
        with self._alone():
            known = self._known([entry.rule for entry in entries])
            new = [e for e in entries if e.rule not in known or known[e.rule].state == "deleted"]
            made = {entry.rule for entry in new}
            changed = [e for e in entries if e.rule not in made and not _same(known[e.rule], e)]
            self._write(
                [*new, *changed],
                change,
                {e.rule: "create" for e in new} | {e.rule: "change" for e in changed},
            )
        moved = made | {entry.rule for entry in changed}
        return Imported(
            created=[entry.rule for entry in new],
            changed=[entry.rule for entry in changed],
            unchanged=[entry.rule for entry in entries if entry.rule not in moved],
        )

    def unknown_channels(self, definitions: Iterable[dict[str, Any]]) -> list[str]:
        """Return the channels these rules name and the tenant does not have."""
        rows = self.connection.execute(statements("rules")["channels"], {"tenant": self.tenant})
        named = {name for definition in definitions for name in channels_of(definition)}
        return sorted(named - {row[0] for row in rows})

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self.connection.transaction():
            self.connection.execute(statements("rules")["lock"])
            yield

    def _expected(self, rule: str, expected: int) -> StoredRule:
        known = self.get(rule)
        if known.version != expected:
            raise OtherVersionError(
                f"rule {rule!r} is at version {known.version} by {known.updated_by}, not at {expected}",
                where="If-Match",
                mend="Read it again, and put your change on top of it.",
            )
        return known

    def _write(self, entries: Sequence[Entry], change: Change, actions: dict[str, str]) -> None:
        shared = {"tenant": self.tenant, **change._asdict()}
        with self.connection.cursor() as cursor:
            cursor.executemany(
                statements("rules")["put"],
                [shared | e._asdict() | {"definition": Json(e.definition)} for e in entries],
            )
            cursor.executemany(
                statements("rules")["note"],
                [
                    shared | {"rule": e.rule, "action": actions[e.rule], "detail": Jsonb({"state": e.state})}
                    for e in entries
                ],
            )

    def _known(self, rules: Sequence[str]) -> dict[str, StoredRule]:
        return {found.rule: found for found in self._rows("get", rules=list(rules))}

    def _rows(self, name: str, **values: Any) -> list[StoredRule]:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(statements("rules")[name], {"tenant": self.tenant, **values})
            return [StoredRule(**row) for row in rows]


def channels_of(definition: dict[str, Any]) -> set[str]:
    """Return the channels a rule tells, at once or when nobody acknowledges."""
    return {*definition.get("notify", ()), *definition.get("escalate", {}).get("notify", ())}


def _same(known: StoredRule, entry: Entry) -> bool:
    return (known.state, known.definition) == (entry.state, entry.definition)


class RuleChange(NamedTuple):
    """A rule of any tenant that was written, as it is now, and the number of that change."""

    tenant: str
    rule: str
    version: int
    state: State
    definition: dict[str, Any]
    change: int


def changes_since(connection: Connection, since: int, limit: int) -> list[RuleChange]:
    """Return the rules written above change `since`, deleted ones too, oldest change first."""
    asked = {"since": since, "limit": limit}
    return [RuleChange(*row) for row in connection.execute(statements("rules")["changed"], asked)]
