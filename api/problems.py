"""Every error as RFC 9457 `application/problem+json`: what (`detail`), where and how to mend it."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

from millrace.errors import MillraceError
from millrace.known_keys import Wrong, in_words

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

    def __init__(
        self,
        status: int,
        kind: str,
        what: str,
        *,
        where: str,
        mend: str,
        errors: Sequence[WrongParameter] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(what, where=where, mend=mend)
        self.status = status
        self.kind = kind
        self.errors = list(errors)
        self.headers = dict(headers or {})


class WrongParameterError(ProblemError):
    """A parameter that the framework accepts and the query cannot use; answered with 422."""

    def __init__(self, parameter: str, what: str, *, accepted: str) -> None:
        wrong = WrongParameter(parameter=parameter, what=what, accepted=accepted)
        super().__init__(
            422, "wrong-parameter", what, where=parameter, mend=f"Send {accepted}.", errors=[wrong]
        )


def install(app: FastAPI) -> None:
    """Answer every error of the application as a problem."""
    app.add_exception_handler(ProblemError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RedisError, _store_gone)
    app.add_exception_handler(Exception, _unexpected)


def problem_response(path: str, error: ProblemError) -> Response:
    """Return the answer that tells an error."""
    problem = Problem(
        type=f"urn:millrace:problem:{error.kind}",
        title=error.kind.replace("-", " ").capitalize(),
        status=error.status,
        detail=error.what,
        instance=path,
        where=error.where,
        mend=error.mend,
        errors=error.errors or None,
    )
    body = msgspec.json.encode(problem.model_dump(exclude_none=True))
    retry = {"Retry-After": "1"} if error.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return Response(body, error.status, media_type=MEDIA_TYPE, headers=retry | error.headers)


async def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem_response(request.url.path, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong = [
        WrongParameter(parameter=entry.place, what=entry.what, accepted=entry.accepted)
        for entry in _wrong_parameters(request, error)
    ]
    names = ", ".join(dict.fromkeys(entry.parameter for entry in wrong))
    what = "; ".join(f"{entry.parameter}: {entry.what}" for entry in wrong)
    mend = f"Correct {names}; /docs lists the accepted forms."
    problem = ProblemError(422, "wrong-parameter", what, where=names, mend=mend, errors=wrong)
    return problem_response(request.url.path, problem)


def _wrong_parameters(request: Request, error: RequestValidationError) -> list[Wrong]:
    """Return what is wrong, by place in the parameters or in the body, which is named where all of it is."""
    operation = request.scope.get("millrace.operation")
    schema = dict(operation.body or {}) if operation else {}
    root = schema | {"components": request.app.openapi()["components"]} if schema else {}
    entries = [dict(entry) | {"loc": tuple(entry["loc"])[1:]} for entry in error.errors()]
    sources = [str(entry["loc"][0]) for entry in error.errors()]
    found = in_words(entries, root, error.body)
    return [
        entry if entry.place else entry._replace(place=source)
        for entry, source in zip(found, sources, strict=True)
    ]


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    problem = ProblemError(
        error.status_code,
        HTTPStatus(error.status_code).phrase.lower().replace(" ", "-"),
        f"{request.method} {request.url.path}: {error.detail}",
        where=request.url.path,
        mend="GET / lists the endpoints.",
        headers=error.headers,
    )
    return problem_response(request.url.path, problem)


async def _store_gone(request: Request, error: Exception) -> Response:
    logger.warning("redis_unavailable path=%s error=%s", request.url.path, type(error).__name__)
    problem = ProblemError(
        503,
        "store-unavailable",
        f"Redis, which holds the last 24 hours, cannot answer now ({type(error).__name__}).",
        where="redis",
        mend="Try again in a moment; `millrace status` and GET /health show what is down.",
    )
    return problem_response(request.url.path, problem)


async def _unexpected(request: Request, error: Exception) -> Response:
    logger.error("unexpected_error path=%s error=%s", request.url.path, type(error).__name__)
    problem = ProblemError(
        500,
        "internal-error",
        "An error nobody foresaw; the log has the trace.",
        where=request.url.path,
        mend="`millrace logs api` shows it; please report it.",
    )
    return problem_response(request.url.path, problem)
