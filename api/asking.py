"""Asks the API of this stack, for commands: its problems become errors for people."""

import getpass
from typing import Any

from millrace.errors import MillraceError
from millrace.settings import settings

_PATIENCE_S = 60


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
    known = {"X-Millrace-User": _user()} | (headers or {})
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
        problem = reply.json()
        raise MillraceError(problem["detail"].rstrip("."), where=problem["where"], mend=problem["mend"])
    is_json = reply.headers.get("content-type", "").startswith("application/json")
    return reply.json() if is_json else reply.text


def _user() -> str:
    name = getpass.getuser()
    return name if name.isascii() and name.isprintable() else "unknown"
