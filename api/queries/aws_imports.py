"""AWS IoT Events models: translated, judged and stored as rules, and a report of what they do not say."""

from collections.abc import Iterable
from typing import Any, Literal

from psycopg import Connection

from api.aws_answers import AwsImported, TranslatedRule, TranslationNote
from api.problems import WrongParameterError
from api.queries.rules import judged
from catalog.rule_store import Change, Entry, RuleExistsError, RuleStore
from millrace.errors import MillraceError
from udfs.rules.aws_iot_events import Imported, import_model
from udfs.rules.aws_words import rule_said
from udfs.rules.model import rule_data

State = Literal["enabled", "shadow"]
Outcome = Literal["created", "unchanged", "kept"]


def translated(model: dict[str, Any], metrics: Iterable[str], state: State) -> Imported:
    """Translate a model; `metrics` say `attribute=metric`. WrongParameterError when it cannot be read."""
    names = dict(_renamed(entry) for entry in metrics)
    try:
        return import_model(model, names, state)
    except MillraceError as error:
        raise WrongParameterError(
            "body", f"{error.what}", accepted="the JSON of describe-detector-model or describe-alarm-model"
        ) from None


def _renamed(entry: str) -> tuple[str, str]:
    attribute, found, metric = entry.partition("=")
    if not (attribute and found and metric):
        raise WrongParameterError(
            "metric", f"{entry!r} names no metric", accepted="attribute=metric, such as temp=temperature_c"
        )
    return attribute, metric


def store_all(
    connection: Connection, tenant: str, found: Imported, state: State, change: Change, *, dry_run: bool
) -> AwsImported:
    """Create the rules of a model, all or nothing; a rule of the same name stays. A dry run is undone."""
    entries = [judged(rule_data(rule)) for rule in found.rules]
    store = RuleStore(connection, tenant)
    with connection.transaction(force_rollback=dry_run):
        outcomes = [_created(store, entry, change) for entry in entries]
    rules = [
        TranslatedRule(rule=entry.rule, outcome=outcome, says=rule_said(rule), definition=entry.definition)
        for rule, entry, outcome in zip(found.rules, entries, outcomes, strict=True)
    ]
    return AwsImported(
        tenant=tenant,
        dry_run=dry_run,
        state=state,
        rules=rules,
        notes=[TranslationNote(**note._asdict()) for note in found.notes],
        warnings=list(_warnings(rules)),
    )


def _created(store: RuleStore, entry: Entry, change: Change) -> Outcome:
    try:
        store.create(entry, change)
    except RuleExistsError:
        same = store.get(entry.rule).definition == entry.definition
        return "unchanged" if same else "kept"
    return "created"


def _warnings(rules: Iterable[TranslatedRule]) -> Iterable[str]:
    for rule in rules:
        if rule.outcome == "kept":
            yield f"there is another rule {rule.rule!r} already, which stays as it is"
