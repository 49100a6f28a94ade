"""Rules: judged by their own examples before they are stored, and as answers."""

import re
from collections.abc import Iterable
from typing import Any, cast

import msgspec
from psycopg import Connection

from api.problems import ProblemError, WrongParameter, WrongParameterError
from api.queries.registry_access import iso
from api.rule_answers import RuleAnswer, RulePage, RulesImported, RuleState, RuleVersion, RuleVersions
from catalog.rule_store import Change, Entry, RuleStore, StoredRule, channels_of
from millrace.errors import MillraceError
from udfs.rules.examples import run_examples
from udfs.rules.model import Rule, parse_rule, rule_data
from udfs.rules.unknown_names import KnownNames, unknown_names
from udfs.rules.yaml_form import read_rules, write_rules

# These are paths of the API.
_TAKEN_NAMES = frozenset({"import", "import-aws", "export"})
_VERSION = re.compile(r'^(?:W/)?"?(\d{1,9})"?$', re.ASCII)


class WrongRuleError(WrongParameterError):
    """A rule that cannot be used; answered with 422, `errors` name each place."""

    def __init__(self, kind: str, what: str, errors: list[WrongParameter], *, where: str, mend: str) -> None:
        ProblemError.__init__(self, 422, kind, what, where=where, mend=mend, errors=errors)


def parsed(data: dict[str, Any]) -> Rule:
    """Return a rule that is well formed, whatever its examples say; WrongRuleError else."""
    try:
        return parse_rule(data)
    except MillraceError as error:
        raise _wrong_form(error) from None


def judged(data: dict[str, Any]) -> Entry:
    """Return a rule that is well formed and does what its examples say; WrongRuleError else."""
    try:
        return _passed([parse_rule(data)])[0]
    except MillraceError as error:
        raise _wrong_form(error) from None


def judged_text(body: bytes, *, is_json: bool) -> list[Entry]:
    """Return the rules of an import, YAML documents or a JSON list, judged; WrongRuleError else."""
    try:
        rules = _json_rules(body) if is_json else read_rules(body.decode())
        return _passed(rules)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WrongParameterError(
            "body", f"it cannot be read: {error}", accepted="rules as YAML documents or as a JSON list"
        ) from None
    except MillraceError as error:
        raise _wrong_form(error) from None


def _json_rules(body: bytes) -> list[Rule]:
    rules = [parse_rule(data) for data in msgspec.json.decode(body, type=list[dict[str, Any]])]
    names = [rule.rule for rule in rules]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise MillraceError(f"Rules are named twice: {', '.join(twice)}", where="body", mend="Rename them.")
    return rules


def _wrong_form(error: MillraceError) -> MillraceError:
    if isinstance(error, ProblemError):
        return error
    wrong = [WrongParameter(parameter=error.where or "rule", what=error.what)]
    return WrongRuleError("wrong-rule", error.what, wrong, where=error.where or "rule", mend=error.mend)


def _passed(rules: Iterable[Rule]) -> list[Entry]:
    entries: list[Entry] = []
    wrong: list[WrongParameter] = []
    for rule in rules:
        _check_name(rule)
        entries.append(Entry(rule.rule, rule.state, _plain(rule)))
        wrong += [
            WrongParameter(parameter=f"{rule.rule}.examples.{failure.example}", what=failure.what)
            for failure in run_examples(rule)
        ]
    if wrong:
        names = ", ".join(entry.parameter for entry in wrong)
        said = "; ".join(f"{entry.parameter}: {entry.what}" for entry in wrong)
        raise WrongRuleError(
            "example-failed", said, wrong, where=names, mend="Correct the rule, or what the example expects."
        )
    return entries


def _check_name(rule: Rule) -> None:
    if rule.rule in _TAKEN_NAMES:
        raise MillraceError(
            f"no rule can be named {rule.rule!r}", where=rule.rule, mend="Choose another name."
        )


def _plain(rule: Rule) -> dict[str, Any]:
    # As JSON has it: a tuple would never equal the list that comes back from PostgreSQL.
    text = msgspec.json.encode(rule_data(rule))
    if b"\\u0000" in text:
        raise MillraceError(
            "a text of the rule holds a NUL character", where=rule.rule, mend="Take it out of the rule."
        )
    return cast("dict[str, Any]", msgspec.json.decode(text))


def expected_version(if_match: str | None) -> int | None:
    """Read If-Match: a version, or None for `*`; ProblemError (428, 422)."""
    if if_match is None:
        raise ProblemError(
            428,
            "version-needed",
            "Which version this replaces is not said.",
            where="If-Match",
            mend='Send the ETag of the rule as you read it, such as If-Match: "3".',
        )
    if if_match.strip() == "*":
        return None
    found = _VERSION.match(if_match.strip())
    if not found:
        raise WrongParameterError("If-Match", f"{if_match!r} is no version", accepted='an ETag such as "3"')
    return int(found[1])


def answer_with(found: RuleAnswer, known: KnownNames) -> RuleAnswer:
    """Return an answer to a write with what of the rule nobody has."""
    said = unknown_names(parse_rule(found.definition), known)
    return found.model_copy(update={"warnings": [*found.warnings, *said]})


def put_rule(store: RuleStore, entry: Entry, expected: int | None, change: Change) -> RuleAnswer:
    """Replace a rule at the version that was asked for, or with None at any."""
    version = store.get(entry.rule).version if expected is None else expected
    return answer(store, store.replace(entry, version, change))


def import_all(
    connection: Connection,
    tenant: str,
    entries: list[Entry],
    change: Change,
    *,
    known: KnownNames,
    dry_run: bool,
) -> RulesImported:
    """Bring rules to what a file says, all or nothing; a dry run is undone."""
    store = RuleStore(connection, tenant)
    with connection.transaction(force_rollback=dry_run):
        done = store.import_rules(entries, change)
    warnings = _unknown_channels(store, [entry.definition for entry in entries])
    warnings += [
        f"{entry.rule}: {said}"
        for entry in entries
        for said in unknown_names(parse_rule(entry.definition), known)
    ]
    return RulesImported(tenant=tenant, dry_run=dry_run, **done._asdict(), warnings=warnings)


def export_all(store: RuleStore) -> str:
    """Return all rules as YAML that an import reads."""
    return write_rules(parse_rule(found.definition) for found in store.rules())


def page(store: RuleStore, state: RuleState | None, limit: int, after: str) -> RulePage:
    """Return one page of rules; the cursor is the last name."""
    found = store.rules(state=state, after=after, limit=limit + 1)
    more = len(found) > limit
    shown = found[:limit]
    warned = set(_missing(store, shown))
    return RulePage(
        tenant=store.tenant,
        rules=[_answer(rule, warned) for rule in shown],
        next_cursor=shown[-1].rule if more else None,
    )


def versions(store: RuleStore, rule: str) -> RuleVersions:
    """Return all versions of a rule; NoSuchRuleError."""
    found = [
        RuleVersion(
            version=one.version,
            state=one.state,
            made_at=cast("str", iso(one.updated_at)),
            made_at_ms=_ms(one),
            made_by=one.updated_by,
            definition=one.definition,
        )
        for one in store.versions(rule)
    ]
    return RuleVersions(tenant=store.tenant, rule=rule, versions=found)


def answer(store: RuleStore, found: StoredRule) -> RuleAnswer:
    """Return a stored rule as an answer."""
    return _answer(found, set(_missing(store, [found])))


def _answer(found: StoredRule, missing: set[str]) -> RuleAnswer:
    definition = found.definition
    return RuleAnswer(
        tenant=found.tenant,
        rule=found.rule,
        version=found.version,
        state=cast("RuleState", found.state),
        kind=definition["when"]["kind"],
        severity=definition.get("severity", "warning"),
        about=definition.get("about", ""),
        updated_at=cast("str", iso(found.updated_at)),
        updated_at_ms=_ms(found),
        updated_by=found.updated_by,
        definition=definition,
        warnings=_said(channels_of(definition) & missing),
    )


def _ms(found: StoredRule) -> int:
    return round(found.updated_at.timestamp() * 1000)


def _missing(store: RuleStore, found: Iterable[StoredRule]) -> list[str]:
    return store.unknown_channels([one.definition for one in found])


def _unknown_channels(store: RuleStore, definitions: list[dict[str, Any]]) -> list[str]:
    return _said(store.unknown_channels(definitions))


def _said(channels: Iterable[str]) -> list[str]:
    return [f"there is no channel {name!r}: nobody will be told on it" for name in sorted(channels)]
