"""What commands print: tables that never cut a value, whatever the width of the terminal.

On a terminal that is too narrow, ornaments and empty columns go first, then headings and prose wrap at words,
then prose moves below its row, and then each row becomes a block of `heading value` lines. A value without
spaces is never broken here: only the terminal itself may, so it can be copied whole. Where stdout is no
terminal the width is unlimited.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from millrace.phrases import harmless

Cell = str | Text
_GAP: Final = 2
_LEAST_PROSE: Final = 16
_LEAST_HANGING: Final = 24


class Column(NamedTuple):
    """A column: `wraps` is prose, which may wrap at words; an `ornament` is left out where room is short."""

    heading: str
    right: bool = False
    wraps: bool = False
    ornament: bool = False


def left(*headings: str) -> tuple[Column, ...]:
    """Return columns of names and ids."""
    return tuple(Column(heading) for heading in headings)


def right(*headings: str) -> tuple[Column, ...]:
    """Return columns of figures."""
    return tuple(Column(heading, right=True) for heading in headings)


def print_table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    *,
    title: Cell = "",
    total: Sequence[Cell] = (),
    caption: str = "",
) -> None:
    """Print a table to stdout with a title above, a last row of totals and a caption below."""
    body = [[_clean(cell) for cell in row] for row in rows]
    if total:
        body.append([_styled(cell, "bold") for cell in total])
    width = stdout_width()
    print_lines([_styled(title, "bold")] if title else [])
    print_lines(table_lines(columns, body, width))
    if caption:
        print_lines([_styled(line, "dim") for line in wrapped(Text(caption), width)])


def print_lines(lines: Iterable[Cell]) -> None:
    """Print lines to stdout as they are: a terminal that is narrower breaks them, nothing is lost."""
    console = Console()
    for line in lines:
        console.print(_clean(line), soft_wrap=True, highlight=False, markup=False, emoji=False)


def stdout_width() -> int | None:
    """Return the columns of the terminal stdout is, or None when it is none: then nothing limits a line."""
    console = Console()
    return console.width if console.file.isatty() else None


def table_lines(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int | None) -> list[Text]:
    """Return a table's lines for a width in terminal cells; None is unlimited."""
    cells = [[_clean(cell) for cell in row] for row in rows]
    widths = _widths(columns, cells)
    if width is None or _total(widths) <= width:
        return _aligned(columns, cells, widths)
    kept = [place for place, column in enumerate(columns) if _is_needed(place, column, cells)]
    columns, cells = [columns[place] for place in kept], _chosen(cells, kept)
    widths = _widths(columns, cells)
    if _total(widths) > width:
        widths = _narrowed(columns, cells, width)
    if _total(widths) <= width:
        return _aligned(columns, cells, widths)
    return _prose_below(columns, cells, width) or _blocks(columns, cells, width)


def _is_needed(place: int, column: Column, cells: Sequence[Sequence[Text]]) -> bool:
    return not column.ornament and (not cells or any(row[place].plain for row in cells))


def _chosen(cells: Sequence[Sequence[Text]], places: Sequence[int]) -> list[list[Text]]:
    return [[row[place] for place in places] for row in cells]


def _aligned(columns: Sequence[Column], cells: Sequence[Sequence[Text]], widths: Sequence[int]) -> list[Text]:
    heading = _row_lines(columns, [Text(column.heading, "dim") for column in columns], widths)
    named = heading if any(column.heading for column in columns) else []
    return named + [line for row in cells for line in _row_lines(columns, row, widths)]


def wrapped(text: Text, width: int | None) -> list[Text]:
    """Return text in lines that break at spaces only: a longer word has a line of its own."""
    if width is None or text.cell_len <= width:
        return [text]
    lines: list[Text] = []
    for word in text.split(" "):
        if lines and lines[-1].cell_len + 1 + word.cell_len <= width:
            lines[-1] = Text(" ").join([lines[-1], word])
        else:
            lines.append(word)
    return lines


def _clean(cell: Cell) -> Text:
    if isinstance(cell, str):
        return Text(harmless(cell))
    shown = harmless(cell.plain)
    # Spans are kept where the length is: only a CR LF, which becomes one space, shortens a text.
    return cell if shown == cell.plain else Text(shown, cell.style)


def _styled(cell: Cell, style: str) -> Text:
    text = _clean(cell).copy()
    text.stylize_before(style)
    return text


def _widths(columns: Sequence[Column], cells: Sequence[Sequence[Text]]) -> list[int]:
    return [
        max([cell_len(column.heading), *(row[place].cell_len for row in cells)])
        for place, column in enumerate(columns)
    ]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _narrowed(columns: Sequence[Column], cells: Sequence[Sequence[Text]], width: int) -> list[int]:
    """Return the widths with headings and prose wrapped as far as the width asks or words allow."""
    whole = [
        max([_longest_word(column.heading), *(row[place].cell_len for row in cells)])
        for place, column in enumerate(columns)
    ]
    least = list(whole)
    for place, column in enumerate(columns):
        if column.wraps:
            words = [_longest_word(row[place].plain) for row in cells]
            least[place] = min(whole[place], max([_LEAST_PROSE, _longest_word(column.heading), *words]))
    over = _total(whole) - width
    while over > 0 and whole != least:
        widest = max(
            (place for place in range(len(whole)) if whole[place] > least[place]), key=whole.__getitem__
        )
        whole[widest] -= 1
        over -= 1
    return whole


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split(" ")), default=0)


def _row_lines(columns: Sequence[Column], row: Sequence[Text], widths: Sequence[int]) -> list[Text]:
    parts = [wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
    lines: list[Text] = []
    for number in range(max(map(len, parts), default=0)):
        line = Text()
        for column, part, width in zip(columns, parts, widths, strict=True):
            cell = part[number] if number < len(part) else Text()
            space = " " * (width - cell.cell_len)
            line.append_text(Text.assemble(space, cell) if column.right else Text.assemble(cell, space))
            line.append(" " * _GAP)
        line.rstrip()
        lines.append(line)
    return lines


def _prose_below(columns: Sequence[Column], cells: Sequence[Sequence[Text]], width: int) -> list[Text]:
    """Return a table of the columns that are no prose, with each row's prose below it; [] if too wide."""
    short = [place for place, column in enumerate(columns) if not column.wraps]
    prose = [place for place, column in enumerate(columns) if column.wraps]
    head, body = [columns[place] for place in short], _chosen(cells, short)
    widths = _narrowed(head, body, width)
    if not prose or _total(widths) > width:
        return []
    shown = _aligned(head, [], widths)
    for cut, row in zip(body, cells, strict=True):
        shown += _row_lines(head, cut, widths)
        shown += [line for place in prose if row[place].plain for line in _indented(row[place], width)]
    return shown


def _indented(text: Text, width: int) -> list[Text]:
    return [Text.assemble(" " * 4, line) for line in wrapped(text, width - 4)]


def _blocks(columns: Sequence[Column], cells: Sequence[Sequence[Text]], width: int) -> list[Text]:
    label = max((cell_len(column.heading) for column in columns), default=0)
    lines: list[Text] = []
    for row in cells:
        lines += [Text()] if lines else []
        for column, cell in zip(columns, row, strict=True):
            if cell.plain:
                lines += _block_lines(column.heading, cell, label, width)
    return lines


def _block_lines(heading: str, cell: Text, label: int, width: int) -> list[Text]:
    name = Text(heading + " " * (label - cell_len(heading) + _GAP), "dim")
    room = width - name.cell_len
    first, *others = wrapped(cell, room if room >= _LEAST_HANGING else width)
    hanging = Text(" " * name.cell_len)
    return [Text.assemble(name, first), *(Text.assemble(hanging, line) for line in others)]
