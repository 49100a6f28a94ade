"""What Flink has against a job file, in a sentence with file and line instead of Java's stack."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from py4j.protocol import Py4JJavaError
from pyflink.util.exceptions import JavaException

from jobs.runtime.discovery import Job
from jobs.runtime.job_file import JobFile
from millrace.errors import MillraceError

FLINK_ERRORS: Final = (Py4JJavaError, JavaException)
_AT: Final = re.compile(r"(?:From|At) line (\d+), column (\d+)(?: to line \d+, column \d+)?: (.*)", re.DOTALL)
_UNEXPECTED: Final = re.compile(r'Encountered "(.*?)" at line (\d+), column (\d+)', re.DOTALL)
_NO_TABLE: Final = re.compile(r"Cannot find table '(.*?)' in any of the catalogs")
_NO_OBJECT: Final = re.compile(r"Object '(.*?)' not found")
_CLASS: Final = re.compile(r"^(?:[a-z_0-9]+\.)+[A-Za-z$]+(?:Exception|Error): ")
_HOME: Final = re.compile(r"default_catalog\.(?:default_database\.)?")
_TABLE_MEND: Final = (
    "Correct the name, or create the table: those of schemas/tables are made by `millrace up tables`."
)


@contextmanager
def blamed(file: JobFile, statement: int = 0) -> Iterator[None]:
    """Turn what Flink raises about a statement of a job file into a MillraceError."""
    try:
        yield
    except FLINK_ERRORS as error:
        raise _explained(_message(error), file, statement) from None


@contextmanager
def blamed_on_tables(job: Job) -> Iterator[None]:
    """Turn what Flink raises about a whole plan into a MillraceError: the file of the table it names."""
    try:
        yield
    except FLINK_ERRORS as error:
        message = _plain(_message(error))
        writers = [file for file in job.inserts if any(table in message for table in file.header.writes)]
        if writers:
            raise _explained(message, writers[0], 0) from None
        raise MillraceError(
            _first_sentence(message), where=f"job {job.name}", mend="Correct the job's files."
        ) from None


@contextmanager
def blamed_on_connector(name: str) -> Iterator[None]:
    """Turn what Flink raises when a source, sink or catalog is declared into a MillraceError."""
    try:
        yield
    except FLINK_ERRORS as error:
        raise MillraceError(
            _first_sentence(_plain(_message(error, deepest=True))),
            where=f"jobs/runtime/sql/{name}",
            mend="`millrace status` says what runs: the catalog must answer.",
        ) from None


def _message(error: Any, *, deepest: bool = False) -> str:
    """Return Java's message: the outermost, which has the position, or the deepest, which has the cause."""
    java = getattr(error, "java_exception", None)
    if java is None:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
        return causes[-1] if deepest and causes else "\n".join(_before_stack(lines))
    found = [str(java.getMessage() or java.getClass().getSimpleName())]
    while (java := java.getCause()) is not None:
        found.append(str(java.getMessage() or java.getClass().getSimpleName()))
    if deepest:
        return found[-1]
    return next((one for one in found if _AT.search(one) or _UNEXPECTED.search(one)), "\n".join(found[:2]))


def _before_stack(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if line.lstrip().startswith("at ") or line.startswith("Caused by: "):
            return
        yield line


def _plain(message: str) -> str:
    return _HOME.sub("", _CLASS.sub("", message).replace("`", "")).strip()


def _explained(message: str, file: JobFile, statement: int) -> MillraceError:
    first, what, place = file.line(statement), _plain(message), ""
    if found := _UNEXPECTED.search(message):
        what, place = f"the SQL is wrong at {found[1]!r}", _place(first, found[2], found[3])
    elif found := _AT.search(message):
        what, place = _first_sentence(_plain(found[3])), _place(first, found[1], found[2])
    absent = _NO_TABLE.search(what) or _NO_OBJECT.search(what)
    if absent:
        what = f"there is no table {absent[1]!r}"
    return MillraceError(
        _first_sentence(what),
        where=f"{file.shown}, {place or f'line {first}'}",
        mend=_TABLE_MEND if absent else "Correct the SQL.",
    )


def _place(first: int, line: str, column: str) -> str:
    return f"line {first + int(line) - 1}, column {column}"


def _first_sentence(message: str) -> str:
    """Return a message without stack and without lists of what the parser would have taken."""
    shown = " ".join(message.partition("\nWas expecting")[0].split())
    return shown.rstrip(".")[:600]
