"""CSV as loggers and offices write it: separators, `sep=` lines, comment lines, quoted line ends."""

import csv
import re
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import IO, Any, Final

from ingest.replay.encodings import encoding_of, undecodable
from ingest.replay.mapping import AUTO, Mapping, columns_of, one_line
from ingest.replay.numbers import NumberForm
from ingest.replay.table import BROKEN, FileNotes, Format, Table, broken_file
from millrace.errors import MillraceError

_SEP_LINE: Final = re.compile(r'"?sep=(.)"?[\r\n]*\Z', re.IGNORECASE)
_CANDIDATES: Final = (",", ";", "\t", "|")
_SEPARATOR_NAMES: Final = {"\t": "tab", " ": "space", ",": "comma", ";": "semicolon", "|": "pipe"}
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_LONGEST_HEAD_LINES: Final = 100


def open_delimited(
    source: IO[bytes], path: Path, mapping: Mapping, form: NumberForm, notes: FileNotes
) -> Table:
    """Open a text file; MillraceError naming the line when its bytes are no text of its encoding."""
    encoding = encoding_of(source, path, mapping.csv.encoding)
    lines = _Lines(TextIOWrapper(source, encoding=encoding, newline=""), mapping, notes)
    try:
        head = lines.head()
    except (UnicodeDecodeError, *BROKEN) as error:
        raise _broken(path, encoding, 1, error) from None
    separator = lines.separator or mapping.csv.separator
    if separator == AUTO:
        separator = _separator(head, mapping)
    notes.form = f"{encoding.removesuffix('-sig')}, separator {_SEPARATOR_NAMES.get(separator, separator)}"
    reader = csv.reader(chain(head, lines), delimiter=separator, quotechar=mapping.csv.quote, strict=True)

    def line(values: Sequence[Any]) -> int:
        inner = sum(len(_LINE_END.findall(value)) for value in values)
        return lines.left_out + reader.line_num - inner

    def explain(error: Exception) -> MillraceError:
        return _broken(path, encoding, lines.left_out + reader.line_num, error)

    try:
        first = next(reader, [])
    except csv.Error as error:
        raise explain(error) from None
    names = [one_line(name) for name in first]
    while names and not names[-1]:
        names.pop()
    return Table(
        header=names,
        header_line=line(first),
        rows=reader if mapping.header else chain([first] if first else [], reader),
        line=line,
        explain=explain,
        width=len(first),
        numbers=form.texts,
        text=None,
        joined=separator.join,
    )


def _broken(path: Path, encoding: str, line: int, error: Exception) -> MillraceError:
    if isinstance(error, UnicodeDecodeError):
        return undecodable(path, encoding)
    if isinstance(error, csv.Error):
        quoted = "end of data" in str(error) or "field limit" in str(error)
        what = "a quote that was opened is never closed" if quoted else str(error)
        return MillraceError(
            f"the row cannot be taken apart: {what}",
            where=f"{path}, line {line}",
            mend="Correct the file, or `csv.quote` and `csv.separator` in the mapping.",
        )
    return broken_file(path, error, line)


class _Lines:
    """The lines of a file without those that are no rows; counts what it leaves out."""

    def __init__(self, file: TextIOWrapper, mapping: Mapping, notes: FileNotes) -> None:
        self._file, self._notes = file, notes
        self._comment, self._quote, self._skip = mapping.csv.comment, mapping.csv.quote, mapping.skip_rows
        self.separator = ""
        self.left_out = 0

    def head(self) -> list[str]:
        """Read on to the header, and return its lines: a quoted name may hold line ends."""
        first = self._file.readline().removeprefix("\ufeff")
        if found := _SEP_LINE.match(first):
            self.separator, self.left_out, first = found[1], 1, ""
        for _ in range(self.left_out, self._skip):
            line = first or self._file.readline()
            first, self.left_out = "", self.left_out + bool(line)
        line = first or self._file.readline()
        while line and (not line.strip() or self._is_comment(line)):
            self._notes.comment_lines += self._is_comment(line)
            self.left_out += 1
            line = self._file.readline()
        head = [line] if line else []
        while line and sum(one.count(self._quote) for one in head) % 2 and len(head) < _LONGEST_HEAD_LINES:
            line = self._file.readline()
            head += [line] if line else []
        return head

    def __iter__(self) -> Iterator[str]:
        return self._without_comments() if self._comment else iter(self._file)

    def _is_comment(self, line: str) -> bool:
        return self._comment is not None and line.lstrip().startswith(self._comment)

    def _without_comments(self) -> Iterator[str]:
        inside = 0
        for line in self._file:
            if not inside and self._is_comment(line):
                self._notes.comment_lines += 1
                self.left_out += 1
                continue
            # A line within a quoted field is no comment, whatever it begins with.
            inside ^= line.count(self._quote) & 1
            yield line


def _separator(head: Sequence[str], mapping: Mapping) -> str:
    """Choose the sign that separates the header into the mapping's columns, else into most columns."""
    wanted = set(columns_of(mapping))

    def fit(sign: str) -> tuple[int, bool, int]:
        try:
            names = next(csv.reader(head, delimiter=sign, quotechar=mapping.csv.quote), [])
        except csv.Error:
            return 0, False, 0
        return len(wanted & set(map(one_line, names))), sign != mapping.csv.decimal, len(names)

    return max(_CANDIDATES, key=fit)


FORMAT = Format("text", (), (".csv", ".tsv", ".txt"), open_delimited)
