"""A recording as a table: its header and its rows, whatever format the file has."""

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from io import BytesIO
from pathlib import Path
from pkgutil import iter_modules
from typing import IO, Any, Final, NamedTuple, cast

import ingest.replay.formats
from ingest.replay.mapping import Mapping
from ingest.replay.numbers import NumberForm, ReadNumbers
from millrace.documents import unreadable
from millrace.errors import MillraceError
from millrace.phrases import counted

_GZIP: Final = b"\x1f\x8b"
_MOST_UNPACKED_BYTES: Final = 8 << 20
# What a broken file raises while it is read, whatever its format.
BROKEN: Final = (EOFError, gzip.BadGzipFile, zlib.error, OSError)


class FileNotes:
    """What was found out about a file and left out of it: for the person who reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.form = ""
        self.blank_rows = 0
        self.comment_lines = 0
        self.undecided_rows: list[tuple[int, int]] = []

    def lines(self) -> Iterator[str]:
        """Yield a sentence for each thing worth saying."""
        if self.blank_rows:
            yield f"{self.path.name}: {counted(self.blank_rows, 'blank row')} skipped"
        if self.comment_lines:
            yield f"{self.path.name}: {counted(self.comment_lines, 'comment line')} skipped"
        if self.undecided_rows:
            rows = ranges("row", [row for row, _ in self.undecided_rows])
            lines = ranges("line", [line for _, line in self.undecided_rows])
            yield (
                f"{self.path.name}: local times of {counted(len(self.undecided_rows), 'row')} came twice "
                "when clocks were set back, and the order of rows does not say which is meant: "
                f"{rows} ({lines}). Each counts as the one nearer to the row before; "
                "`time.ambiguous` of the mapping decides: earlier, later or refuse"
            )


def ranges(thing: str, numbers: Sequence[int], most: int = 20) -> str:
    """Write numbers of a thing as `rows 3-5, 9`; after `most` ranges only how many follow."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number <= spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    shown = ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in spans[:most])
    more = f" and {len(spans) - most} more ranges" if len(spans) > most else ""
    return f"{thing}{'' if len(numbers) == 1 else 's'} {shown}{more}"


class Table(NamedTuple):
    """An open file: its header and its rows.

    `line` says where the row that came last begins, `explain` what an error means, `width` how many
    columns the header has with nameless ones at its end. `numbers` makes a reader of some columns, `text` a
    text of a cell (None: cells are texts), `joined` a text of a row.
    """

    header: list[str]
    header_line: int
    rows: Iterator[Sequence[Any]]
    line: Callable[[Sequence[Any]], int]
    explain: Callable[[Exception], MillraceError]
    width: int
    numbers: Callable[[Sequence[int]], ReadNumbers]
    text: Callable[[Any], str] | None
    joined: Callable[[Sequence[Any]], str]


Open = Callable[[IO[bytes], Path, Mapping, NumberForm, FileNotes], Table]


class Format(NamedTuple):
    """How files of a format begin (text: with anything), what their names end in, and what opens them."""

    name: str
    signatures: tuple[bytes, ...]
    suffixes: tuple[str, ...]
    open: Open


@cache
def formats() -> list[Format]:
    """Return every format, text last."""
    names = sorted(module.name for module in iter_modules(ingest.replay.formats.__path__))
    found = [cast(Format, import_module(f"ingest.replay.formats.{name}").FORMAT) for name in names]
    return sorted(found, key=lambda one: not one.signatures)


def stem_of(path: Path) -> str:
    """Return a file's name without `.gz` and without what says its format."""
    name = path.name.removesuffix(".gz")
    for suffix in sorted({suffix for one in formats() for suffix in one.suffixes}):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def open_raw(path: Path) -> IO[bytes]:
    """Open a file, unpacked when it is gzip; it can be read again from its begin."""
    try:
        raw = path.open("rb")
        if not raw.seekable():
            return BytesIO(raw.read())
        begin = raw.read(len(_GZIP))
        raw.seek(0)
        if begin != _GZIP:
            return raw
        # It is read twice, and unpacking is dearer than memory; a damaged one is read as far as it goes.
        if path.stat().st_size <= _MOST_UNPACKED_BYTES:
            with suppress(*BROKEN), raw:
                return BytesIO(gzip.decompress(raw.read()))
        return cast(IO[bytes], gzip.open(path))
    except OSError as error:
        raise unreadable(path, error) from None


def open_table(source: IO[bytes], path: Path, mapping: Mapping, form: NumberForm, notes: FileNotes) -> Table:
    """Return an open file as a table; MillraceError when its content is not what its name says."""
    try:
        begin = source.read(16)
        source.seek(0)
    except BROKEN as error:
        raise broken_file(path, error) from None
    chosen = next(one for one in formats() if not one.signatures or begin.startswith(one.signatures))
    named = next(
        (one for one in formats() if path.name.lower().removesuffix(".gz").endswith(one.suffixes)), None
    )
    if named and named.signatures and chosen is not named:
        raise MillraceError(
            f"the file is no {named.name}, though its name ends like one"
            + ("" if begin else ": it is empty"),
            where=str(path),
            mend="Save it as a workbook again, or name it .csv if it is text.",
        )
    return chosen.open(source, path, mapping, form, notes)


def broken_file(path: Path, error: BaseException, line: int | None = None) -> MillraceError:
    """Say that a file ends early or is damaged, and where that was noticed."""
    what = (
        f"the file is damaged or cut off: {error}"
        if not isinstance(error, IsADirectoryError)
        else "it is a folder"
    )
    where = str(path) if line is None else f"{path}, line {line}"
    return MillraceError(what, where=where, mend="Fetch or export the file again.")
