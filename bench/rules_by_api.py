"""The rules of a trial in a running stack: made through the API, like a user's, and taken away afterwards."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import httpx

from millrace.errors import MillraceError
from millrace.settings import Settings

# What a user is promised.
_IN_FORCE_S: Final = 5.0
_USER: Final = {"X-Millrace-User": "acceptance"}


@contextmanager
def rules_by_api(
    settings: Settings, conditions: Mapping[str, dict[str, Any]], devices: list[str]
) -> Iterator[None]:
    """Create a rule for these devices by each condition, wait until all are in force; delete them at the end.

    MillraceError when the API refuses one, or does not answer, also within.
    """
    try:
        with httpx.Client(base_url=f"http://{settings.address('api')}", headers=_USER, timeout=30) as api:
            made: list[str] = []
            try:
                for rule, when in conditions.items():
                    _create(api, {"rule": rule, "scope": {"devices": devices}, "when": when})
                    made.append(rule)
                time.sleep(_IN_FORCE_S)
                yield
            finally:
                for rule in made:
                    api.delete(f"/rules/{rule}", headers={"If-Match": "*"}).raise_for_status()
    except httpx.HTTPError as error:
        raise MillraceError(f"{error}", where="the API", mend="See `millrace status`.") from error


def _create(api: httpx.Client, rule: dict[str, Any]) -> None:
    reply = api.post("/rules", json=rule)
    if reply.is_error:
        raise MillraceError(f"the API refuses a rule: {reply.text}", where=rule["rule"])
