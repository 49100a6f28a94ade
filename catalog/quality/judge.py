"""Great Expectations judges a view: an ephemeral context, nothing sent anywhere, nothing kept."""

import logging
import os
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from catalog.quality.suite import Check
from millrace.errors import MillraceError
from millrace.phrases import counted

# Read when the library is imported, which is why it is imported late.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.datasource.fluent.interfaces import Batch

_MOST_EXAMPLES = 20


class Verdict(NamedTuple):
    """What one check says of a view."""

    check: Check
    passed: bool
    observed: str
    unexpected_count: int
    unexpected_percent: float
    examples: list[dict[str, Any]]


class Judged(NamedTuple):
    """The verdicts on one view, and what the library's own pages are made from."""

    verdicts: list[Verdict]
    result: "ExpectationSuiteValidationResult"


def judge(frame: "pd.DataFrame", title: str, checks: Sequence[Check], names: Sequence[str]) -> Judged:
    """Judge a view by checks; `names` are the columns that name a row of it.

    MillraceError when a check cannot be made at all.
    """
    result = _batch(frame, title).validate(_suite(title, checks), result_format=_format(names))
    found = {one.expectation_config.meta["check"]: one.to_json_dict() for one in result.results}
    return Judged([_verdict(one, found[one.check], title) for one in checks], result)


@cache
def _source() -> Any:
    import great_expectations
    from great_expectations.data_context.types.base import ProgressBarsConfig

    for name in ("great_expectations", "great_expectations.validator.validator"):
        logging.getLogger(name).setLevel(logging.ERROR)
    context = great_expectations.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context.data_sources.add_pandas("lake")


def _batch(frame: "pd.DataFrame", title: str) -> "Batch":
    source = _source()
    known = {asset.name for asset in source.assets}
    asset = source.get_asset(title) if title in known else source.add_dataframe_asset(title)
    definitions = [one for one in asset.batch_definitions if one.name == "day"]
    definition = definitions[0] if definitions else asset.add_batch_definition_whole_dataframe("day")
    batch: Batch = definition.get_batch(batch_parameters={"dataframe": frame})
    return batch


def _suite(title: str, checks: Sequence[Check]) -> Any:
    from great_expectations.core import ExpectationSuite

    made = ExpectationSuite(name=title)
    for one in checks:
        made.add_expectation_configuration(_configuration(one))
    return made


def _configuration(check: Check) -> Any:
    from great_expectations.exceptions.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    meta = {"check": check.check, "notes": {"format": "string", "content": [check.about]}}
    try:
        made = ExpectationConfiguration(type=check.expect, kwargs=dict(check.arguments), meta=meta)
        made.to_domain_obj()
    except (ExpectationNotFoundError, ValueError, TypeError) as error:
        raise _impossible(check, str(error)) from None
    return made


def _format(names: Sequence[str]) -> dict[str, Any]:
    return {
        "result_format": "SUMMARY",
        "partial_unexpected_count": _MOST_EXAMPLES,
        "unexpected_index_column_names": list(names),
    }


def _verdict(check: Check, found: dict[str, Any], title: str) -> Verdict:
    if reason := _raised(found.get("exception_info") or {}):
        raise _impossible(check, f"{title}: {reason}")
    result = found["result"]
    count, total = result.get("unexpected_count") or 0, result.get("element_count") or 0
    return Verdict(
        check=check,
        passed=bool(found["success"]),
        observed=_observed(result, count, total),
        unexpected_count=count,
        unexpected_percent=float(result.get("unexpected_percent") or 0.0),
        examples=list(result.get("partial_unexpected_index_list") or [])[:_MOST_EXAMPLES],
    )


def _observed(result: dict[str, Any], count: int, total: int) -> str:
    if "observed_value" in result:
        return str(result["observed_value"])
    if not total:
        return "no rows to check"
    worst = f", such as {result['partial_unexpected_list'][0]}" if count else ""
    return f"{count} of {counted(total, 'row')} unexpected{worst}"


def _raised(told: dict[str, Any]) -> str:
    # One for the whole expectation, or one for each of its metrics.
    each = [told] if "raised_exception" in told else [one for one in told.values() if isinstance(one, dict)]
    return next((str(one.get("exception_message")) for one in each if one.get("raised_exception")), "")


def _impossible(check: Check, why: str) -> MillraceError:
    return MillraceError(
        f"check {check.check} cannot be made: {why}", where=check.expect, mend="Correct the suite's file."
    )
