"""Numbers of a row, as the mapping says they are written; what only Python would read as one is none."""

import re
from collections.abc import Callable, Sequence
from datetime import date, time, timedelta
from operator import itemgetter
from typing import Any, Final

from ingest.replay.mapping import Csv

# From a row to the number in each of some columns, None where it is missing; raises ValueError.
ReadNumbers = Callable[[Sequence[Any]], list[float | None]]
_APART: Final = "\x1f"
# Signs that look the same to whoever typed the figure.
_ALIKE: Final = {" ": " \u00a0\u202f\u2009", "'": "'\u2019", "-": "-\u2212"}


class NumberForm:
    """How numbers are written in one file."""

    def __init__(self, csv: Csv) -> None:
        self._decimal, self._thousands, self._missing = csv.decimal, csv.thousands, csv.missing
        group = (
            f"[{re.escape(_ALIKE.get(csv.thousands or '', csv.thousands or ''))}]" if csv.thousands else ""
        )
        whole = rf"(?:\d{{1,3}}(?:{group}\d{{3}})+|\d+)" if group else r"\d+"
        point = re.escape(csv.decimal)
        self._written = re.compile(
            rf"[+{_ALIKE['-']}]?(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?", re.ASCII
        )
        self._group = re.compile(group) if group else None
        self._missing_numbers = frozenset(
            number for text in csv.missing if (number := self._parsed(text)) is not None
        )

    def number(self, cell: Any) -> float | None:
        """Return the number of one cell, None when it is missing; raise ValueError that says what is bad."""
        if isinstance(cell, str):
            text = cell.strip()
            if cell in self._missing or text in self._missing:
                return None
            number = self._parsed(text)
        elif isinstance(cell, date | time | timedelta):
            raise ValueError(f"{cell} is a date or time, no number")  # noqa: TRY004 - a bad cell, not a bad call
        else:
            number = None if cell is None else float(cell)
        if number is None:
            raise ValueError(self._refusal(str(cell)))
        return None if number in self._missing_numbers else number

    def _parsed(self, text: str) -> float | None:
        if not self._written.fullmatch(text):
            return None
        if self._group:
            text = self._group.sub("", text)
        return float(text.replace(self._decimal, ".").replace("\u2212", "-"))

    def _refusal(self, text: str) -> str:
        signs = "" if self._decimal == "." else f" with decimal {self._decimal!r}"
        if self._thousands:
            signs += f"{' and' if signs else ' with'} thousands {self._thousands!r}"
        return f"{text!r} is no finite number{signs}"

    def texts(self, places: Sequence[int]) -> ReadNumbers:
        """Return what reads the numbers of some columns of texts: all at once while they are plain."""
        if not places:
            return lambda _: []
        if len(places) == 1:
            place = places[0]
            return lambda values: [self.number(values[place])]
        pick, missing, decimal = itemgetter(*places), self._missing, self._decimal
        grouped = bool(self._thousands or self._missing_numbers or _APART in missing)

        def read(values: Sequence[str]) -> list[float | None]:
            texts: Sequence[str] = pick(values)
            together = _APART.join(texts)
            # float() also takes 1_000 and digits of any script.
            if grouped or "_" in together or not together.isascii():
                return [self.number(text) for text in texts]
            if decimal != ".":
                if "." in together:
                    return [self.number(text) for text in texts]
                texts = together.replace(decimal, ".").split(_APART)
            try:
                return [None if text in missing else float(text) for text in texts]
            except ValueError:
                return [self.number(text) for text in pick(values)]

        return read

    def cells(self, places: Sequence[int]) -> ReadNumbers:
        """Return what reads the numbers of some cells of a workbook, where an empty one is missing."""
        empty = ""
        return lambda values: [
            None if values[place] == empty else self.number(values[place]) for place in places
        ]
