"""Asks the API of this stack, for commands: its problems become errors for people."""

import getpass
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import typer

from millrace.errors import MillraceError
from millrace.output import print_lines
from millrace.settings import settings

if TYPE_CHECKING:
    import httpx

_PATIENCE_S = 60


def path_of(*parts: str) -> str:
    """Return a path of the API; what a part holds is no part of another."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def print_answer(found: Any, as_json: bool, show: Callable[[Any], None]) -> None:
    """Print an answer as JSON, or as `show` does."""
    if as_json:
        typer.echo(json.dumps(found))
    else:
        show(found)


def print_more(found: Any) -> None:
    """Say how the next page is asked for, if there is one."""
    if found["next_cursor"]:
        print_lines([f"more: --cursor {found['next_cursor']}"])


def time_text(iso: str | None) -> str:
    """Return an RFC 3339 time of an answer as `2026-01-31 08:00:00`; nothing for none."""
    return "" if iso is None else iso.removesuffix("Z").removesuffix(".000").replace("T", " ")


def ask(
    method: str,
    path: str,
    asked: dict[str, Any] | None = None,
    *,
    body: Any = None,
    headers: dict[str, str] | None = None,
    patience_s: float = _PATIENCE_S,
) -> Any:
    """Return the API's answer, JSON or else text; MillraceError with what it says is wrong.

    Parameters that are None are left out. The user's name goes along, for the audit.
    """
    import httpx

    address = f"http://{settings().address('api')}{path}"
    parameters = {name: value for name, value in (asked or {}).items() if value is not None}
    known = {"X-Millrace-User": user_name()} | (headers or {})
    try:
        reply = httpx.request(
            method,
            address,
            params=parameters,
            json=body,
            headers=known,
            timeout=patience_s,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        raise MillraceError(
            f"the API does not answer: {type(error).__name__}", where=address, mend="`millrace up` starts it."
        ) from None
    if reply.is_error:
        raise _problem(reply, address)
    is_json = reply.headers.get("content-type", "").startswith("application/json")
    return reply.json() if is_json and reply.content else reply.text


def _problem(reply: "httpx.Response", address: str) -> MillraceError:
    try:
        problem = reply.json()
        return MillraceError(problem["detail"].rstrip("."), where=problem["where"], mend=problem["mend"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return MillraceError(
            f"what answers with HTTP {reply.status_code} is not the API of this stack",
            where=address,
            mend="`millrace status` shows where it listens; MILLRACE_PORT_OFFSET moves it.",
        )


def user_name() -> str:
    """Return who is at work, for the audit."""
    name = getpass.getuser()
    return name if name.isascii() and name.isprintable() else "unknown"
