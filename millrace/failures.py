"""What a command that broke has to say: which service does not answer, or that the fault is ours."""

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from millrace.errors import MillraceError

_UP: Final = "`millrace up` starts the stack; `millrace status` shows what is down."
# By package, because a command imports only what it needs: names of exceptions that say nobody answered.
_UNANSWERED: Final = {
    "psycopg": ("PostgreSQL", {"OperationalError", "InterfaceError"}),
    "sqlalchemy": ("PostgreSQL", {"OperationalError", "InterfaceError"}),
    "redis": ("Redis", {"ConnectionError", "TimeoutError"}),
    "confluent_kafka": ("Kafka", {"KafkaException"}),
    "kafka": ("Kafka", {"NoBrokersAvailable", "KafkaConnectionError", "KafkaTimeoutError"}),
    "httpx": ("a service of the stack", {"TransportError"}),
    "requests": ("a service of the stack", {"ConnectionError", "Timeout"}),
    "urllib": ("a service of the stack", {"URLError"}),
    "builtins": ("a service of the stack", {"ConnectionError", "TimeoutError"}),
}


def explained(error: Exception, log: Path) -> MillraceError:
    """Return what a person can do about an error nobody expected; `log` is where its traceback is kept."""
    for one in _chain(error):
        service = _unanswered(one)
        if service:
            return MillraceError(f"{service} does not answer: {_first_line(one)}", mend=_UP)
    if isinstance(error, OSError) and error.filename is not None:
        return MillraceError(
            f"that cannot be done: {error.strerror}", where=str(error.filename), mend="Look at this path."
        )
    return MillraceError(
        f"an error nobody expected: {type(error).__name__}: {_first_line(error)}",
        where=str(log),
        mend="The log has all of it; please report it.",
    )


def keep(error: Exception, log: Path) -> None:
    """Append an error's traceback to a log; where that cannot be, it is not kept."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            file.write("".join(traceback.format_exception(error)))
    except OSError:
        return


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__ or error


def _unanswered(error: BaseException) -> str | None:
    for kind in type(error).__mro__:
        service, names = _UNANSWERED.get(kind.__module__.partition(".")[0], ("", set()))
        if kind.__name__ in names:
            return service
    return None


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
