"""Workbooks (.xlsx, .xls, .xlsb, .ods): cells as they are, dates as dates and numbers as numbers."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Final

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, load_workbook

from ingest.replay.mapping import Mapping, Sheet, one_line
from ingest.replay.numbers import NumberForm
from ingest.replay.table import BROKEN, FileNotes, Format, Table, broken_file
from millrace.errors import MillraceError
from millrace.nearest import nearest

_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def open_workbook(
    source: IO[bytes], path: Path, mapping: Mapping, form: NumberForm, notes: FileNotes
) -> Table:
    """Open a sheet of a workbook; MillraceError when it is damaged, locked or has no such sheet."""
    try:
        book = load_workbook(BytesIO(source.read()))
        name = _sheet_name(book, mapping.sheet, path)
        cells = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except PasswordError:
        raise MillraceError(
            "the workbook has a password", where=str(path), mend="Save it without one."
        ) from None
    except (CalamineError, ValueError) as error:
        raise MillraceError(
            f"the workbook cannot be read: {error}",
            where=str(path),
            mend="Save it as .xlsx again, or as CSV.",
        ) from None
    except BROKEN as error:
        raise broken_file(path, error) from None
    notes.form = f"workbook, sheet {name!r} of {', '.join(map(repr, book.sheet_names))}"
    rows = _Rows(cells, mapping, notes)
    # Above the header anything may be blank.
    first = next((row for row in rows if any(cell != "" for cell in row)), [])
    names = [one_line(as_text(cell)) for cell in first]
    while names and not names[-1]:
        names.pop()
    if not mapping.header and first:
        rows.again()
    return Table(
        header=names,
        header_line=rows.line(),
        rows=rows,
        line=lambda _: rows.line(),
        explain=lambda error: broken_file(path, error, rows.line()),
        width=len(first),
        numbers=form.cells,
        text=as_text,
        joined=lambda values: ";".join(map(as_text, values)),
    )


class _Rows:
    """The rows of a sheet from the header on, and where the last one stood."""

    def __init__(self, cells: Sequence[Sequence[Any]], mapping: Mapping, notes: FileNotes) -> None:
        self._cells, self._comment, self._notes = cells, mapping.csv.comment, notes
        self._next = mapping.skip_rows

    def __iter__(self) -> Iterator[Sequence[Any]]:
        return self

    def __next__(self) -> Sequence[Any]:
        while self._next < len(self._cells):
            values = self._cells[self._next]
            self._next += 1
            if self._comment and isinstance(values[0], str) and values[0].lstrip().startswith(self._comment):
                self._notes.comment_lines += 1
                continue
            return values
        raise StopIteration

    def again(self) -> None:
        """Let the last row come once more."""
        self._next -= 1

    def line(self) -> int:
        """Return the row number of the last row, as the workbook shows it."""
        return self._next


def _sheet_name(book: CalamineWorkbook, sheet: Sheet, path: Path) -> str:
    names = book.sheet_names
    if sheet.name is not None:
        if sheet.name in names:
            return sheet.name
        near = nearest(sheet.name, names)
        wanted, hint = f"sheet {sheet.name!r}", f"Did you mean {near!r}? " if near else ""
    elif (sheet.number or 1) <= len(names):
        return names[(sheet.number or 1) - 1]
    else:
        wanted, hint = f"sheet {sheet.number}", ""
    raise MillraceError(
        f"the workbook has no {wanted}",
        where=str(path),
        mend=f"{hint}It has: {', '.join(map(repr, names))}. Correct `sheet` in the mapping.",
    )


def as_text(cell: Any) -> str:
    """Return a cell as the text a person sees: 1001 for the number 1001.0, dates as ISO 8601."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    return str(cell) if isinstance(cell, timedelta) else str(cell).strip()


FORMAT = Format("workbook", (_ZIP, _OLE), (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), open_workbook)
