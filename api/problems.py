"""Every error as RFC 9457 `application/problem+json`: what (`detail`), where and how to mend it."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

from millrace.errors import MillraceError

MEDIA_TYPE = "application/problem+json"
logger = logging.getLogger(__name__)


class WrongParameter(BaseModel):
    """One parameter that could not be understood."""

    parameter: str
    what: str
    accepted: str | None = Field(default=None, description="The accepted form, where one can be named.")


class Problem(BaseModel):
    """RFC 9457 problem details; `where` and `mend` tell a person what to do."""

    type: str = Field(examples=["urn:millrace:problem:unknown-device"])
    title: str
    status: int
    detail: str = Field(description="What happened.")
    instance: str = Field(description="Path of the request.")
    where: str
    mend: str
    errors: list[WrongParameter] | None = None


class ProblemError(MillraceError):
    """An error with an HTTP status and a stable problem type."""

    def __init__(self, status: int, kind: str, what: str, *, where: str, mend: str) -> None:
        super().__init__(what, where=where, mend=mend)
        self.status = status
        self.kind = kind


class WrongParameterError(ProblemError):
    """A parameter that the framework accepts and the query cannot use; answered with 422."""

    def __init__(self, parameter: str, what: str, *, accepted: str) -> None:
        super().__init__(422, "wrong-parameter", what, where=parameter, mend=f"Send {accepted}.")
        self.errors = [WrongParameter(parameter=parameter, what=what, accepted=accepted)]


def install(app: FastAPI) -> None:
    """Answer every error of the application as a problem."""
    app.add_exception_handler(ProblemError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RedisError, _store_gone)
    app.add_exception_handler(Exception, _unexpected)


def _answer(
    request: Request,
    status: int,
    kind: str,
    detail: str,
    *,
    where: str,
    mend: str,
    errors: Sequence[WrongParameter] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    problem = Problem(
        type=f"urn:millrace:problem:{kind}",
        title=kind.replace("-", " ").capitalize(),
        status=status,
        detail=detail,
        instance=request.url.path,
        where=where,
        mend=mend,
        errors=list(errors) or None,
    )
    body = msgspec.json.encode(problem.model_dump(exclude_none=True))
    return Response(body, status, media_type=MEDIA_TYPE, headers=headers)


async def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    errors = error.errors if isinstance(error, WrongParameterError) else ()
    return _answer(
        request,
        error.status,
        error.kind,
        error.what,
        where=error.where,
        mend=error.mend,
        errors=errors,
        headers={"Retry-After": "1"} if error.status == HTTPStatus.SERVICE_UNAVAILABLE else None,
    )


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong = [_wrong_parameter(entry) for entry in error.errors()]
    names = ", ".join(dict.fromkeys(entry.parameter for entry in wrong))
    return _answer(
        request,
        422,
        "wrong-parameter",
        "; ".join(f"{entry.parameter}: {entry.what}" for entry in wrong),
        where=names,
        mend=f"Correct {names}; /docs lists the accepted forms.",
        errors=wrong,
    )


def _wrong_parameter(entry: dict[str, Any]) -> WrongParameter:
    place = [str(part) for part in entry["loc"][1:]]
    # Pydantic says "Input should be a valid integer, ..."; what follows is the accepted form.
    accepted = entry["msg"].partition(" should ")[2].removeprefix("be ")
    return WrongParameter(
        parameter=".".join(place) or str(entry["loc"][0]),
        what=entry["msg"],
        accepted=accepted or None,
    )


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    return _answer(
        request,
        error.status_code,
        phrase.lower().replace(" ", "-"),
        f"{request.method} {request.url.path}: {error.detail}",
        where=request.url.path,
        mend="GET / lists the endpoints.",
        headers=dict(error.headers or {}),
    )


async def _store_gone(request: Request, error: Exception) -> Response:
    logger.warning("redis_unavailable path=%s error=%s", request.url.path, type(error).__name__)
    return _answer(
        request,
        503,
        "store-unavailable",
        f"Redis, which holds the last 24 hours, cannot answer now ({type(error).__name__}).",
        where="redis",
        mend="Try again in a moment; `millrace status` and GET /health show what is down.",
        headers={"Retry-After": "1"},
    )


async def _unexpected(request: Request, error: Exception) -> Response:
    logger.error("unexpected_error path=%s error=%s", request.url.path, type(error).__name__)
    return _answer(
        request,
        500,
        "internal-error",
        "An error nobody foresaw; the log has the trace.",
        where=request.url.path,
        mend="`millrace logs api` shows it; please report it.",
    )
