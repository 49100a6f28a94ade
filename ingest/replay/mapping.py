"""The mapping file: which column of a table is the device, the time, a metric, a place."""

import codecs
import math
import re
import unicodedata
from collections.abc import Iterator
from datetime import timedelta, timezone, tzinfo
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from ingest.gateway import edge
from ingest.replay.formulas import FORMULAS
from millrace.documents import read_yaml
from millrace.errors import MillraceError
from millrace.nearest import nearest
from millrace.phrases import counted
from millrace.strict_json import UnstorableError, check_storable

SHIPPED = Path(__file__).resolve().parent.parent / "mappings"
AUTO: Final = "auto"
SIGNS: Final = {
    "comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " ", "point": ".", "apostrophe": "'"
}  # fmt: skip
# What the same thing is called elsewhere: pandas, DuckDB, spreadsheets.
_ELSEWHERE: Final = {
    "sep": "separator", "delimiter": "separator", "delim": "separator", "decimal_separator": "decimal",
    "thousands_separator": "thousands", "na_values": "missing", "nullstr": "missing", "null": "missing",
    "quotechar": "quote", "skiprows": "skip_rows", "skip": "skip_rows", "charset": "encoding",
    "sheet_name": "sheet", "timezone": "zone", "tz": "zone", "timestamp_format": "format", "unit": "scale",
    "factor": "scale", "timestamp": "time", "devices": "device", "tags": "attributes", "description": "about",
}  # fmt: skip
# They turn text into something else, or cannot be read piece by piece.
_NO_ENCODINGS: Final = {"unicode-escape", "raw-unicode-escape", "utf-7", "idna", "punycode", "undefined"}
_OFFSET: Final = re.compile(r"([+-])(\d\d):?(\d\d)?")


def _factor(value: object) -> float:
    """Accept a number or an exact fraction such as `5/9`."""
    try:
        text = "" if isinstance(value, bool) or "_" in str(value) or not str(value).isascii() else str(value)
        number = float(Fraction(text))
    except (ValueError, ZeroDivisionError, OverflowError):
        raise ValueError(f"{value!r} is neither a number nor a fraction such as 5/9") from None
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is too large")
    return number


def zone_of(name: str) -> tzinfo:
    """Return a time zone by its IANA name or as an offset such as +01:00; raise ValueError for others."""
    if offset := _OFFSET.fullmatch(name):
        minutes = int(offset[2]) * 60 + int(offset[3] or 0)
        return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"unknown time zone {name!r}; write UTC, a name such as Asia/Shanghai, or an offset as +01:00"
        ) from None


def _known_zone(name: str) -> str:
    zone_of(name)
    return name


def one_line(name: str) -> str:
    """Return a column's name as it is compared: composed accents, one blank for white space, none around."""
    return unicodedata.normalize("NFC", " ".join(name.split()))


def _from_column(value: object) -> object:
    return {"column": value} if isinstance(value, str | int) and not isinstance(value, bool) else value


def _sign(value: object) -> object:
    return SIGNS.get(value, value) if isinstance(value, str) else value


def _text(value: object) -> object:
    """Accept numbers in a list of texts: -999 is what the file says."""
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else value


def _column(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("give a column by its name, or by its position from 1")  # noqa: TRY004 - pydantic
    if isinstance(value, int) and value < 1:
        raise ValueError("columns are counted from 1")
    return one_line(value) if isinstance(value, str) else value


def _known_encoding(name: str) -> str:
    if name == AUTO:
        return name
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        found = None
    if found is None or not found._is_text_encoding or found.name.replace("_", "-") in _NO_ENCODINGS:
        raise ValueError(
            f"unknown encoding {name!r}; write auto, utf-8, utf-16, cp1252, iso-8859-15, cp850, ..."
        )
    return name


def _metric_name(name: str) -> str:
    if not edge.METRIC_NAME.match(name):
        raise ValueError(
            f"{name[:80]!r} is no metric name: a letter, then letters, digits and _ . : -, 64 at most"
        )
    return name


def _id_part(text: str) -> str:
    if text and not edge.ID.match(text):
        raise ValueError(f"{text[:80]!r} is no device id: letters, digits and . _ : -, 128 at most")
    return text


Factor = Annotated[float, BeforeValidator(_factor)]
Zone = Annotated[str, AfterValidator(_known_zone)]
Column = Annotated[str | int, BeforeValidator(_column)]
Sign = Annotated[str, BeforeValidator(_sign), Field(min_length=1, max_length=1)]
IdPart = Annotated[str, AfterValidator(_id_part)]


class Part(BaseModel):
    """A part of a mapping; an unknown key is refused, with those it may have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any) -> Any:
        known = list(cls.model_fields)
        if not isinstance(value, dict):
            raise ValueError(f"these keys are expected here: {', '.join(known)}")  # noqa: TRY004 - pydantic
        for name in value:
            if name not in known:
                guess = _ELSEWHERE.get(str(name).lower())
                near = guess if guess in known else nearest(str(name), known)
                hint = f" (did you mean {near!r}?)" if near else ""
                raise ValueError(f"unknown key {name!r}{hint}; allowed: {', '.join(known)}")
        return value


class Csv(Part):
    """How a text file is written. `auto` looks for the answer in the file."""

    separator: Annotated[str, BeforeValidator(_sign)] = AUTO
    decimal: Sign = "."
    thousands: Sign | None = None
    encoding: Annotated[str, AfterValidator(_known_encoding)] = AUTO
    quote: Sign = '"'
    comment: str | None = Field(default=None, min_length=1)
    missing: frozenset[Annotated[str, BeforeValidator(_text)]] = frozenset({""})

    @model_validator(mode="after")
    def _signs_differ(self) -> "Csv":
        if self.separator != AUTO and len(self.separator) != 1:
            raise ValueError(f"`separator` is one character, {AUTO}, or one of {', '.join(SIGNS)}")
        if self.separator in (self.quote, "\n", "\r"):
            raise ValueError("`separator` cannot be the quote or a line end")
        if self.decimal == self.thousands:
            raise ValueError("`decimal` and `thousands` cannot be the same sign")
        for name, sign in (("decimal", self.decimal), ("thousands", self.thousands)):
            if sign is not None and (sign.isalnum() or sign in "+-"):
                raise ValueError(f"`{name}` cannot be {sign!r}")
        return self


class Sheet(Part):
    """Which sheet of a workbook: by name, or by position from 1; the first without it."""

    name: str | None = None
    number: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _one_choice(self) -> "Sheet":
        if self.name is not None and self.number is not None:
            raise ValueError("give either `name` or `number`")
        return self


CalendarField = Literal["year", "month", "day", "hour", "minute", "second", "date", "time"]
FORMATS: Final = ("iso", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "excel")


class Device(Part):
    """Where the device id comes from: exactly one of constant, column, file stem."""

    constant: IdPart | None = None
    column: Column | None = None
    file_stem: bool = False
    prefix: IdPart = ""

    @model_validator(mode="after")
    def _one_source(self) -> "Device":
        if sum((self.constant is not None, self.column is not None, self.file_stem)) != 1:
            raise ValueError("give exactly one of `constant`, `column`, `file_stem: true`")
        return self


class Time(Part):
    """Where event time stands: one column, a date and a time column, or one column per calendar field.

    `ambiguous` says what a local time is that came twice, when clocks were set back: `infer` goes by the
    order of a device's rows.
    """

    column: Column | None = None
    columns: dict[CalendarField, Column] | None = None
    format: str = "iso"
    zone: Zone
    ambiguous: Literal["infer", "earlier", "later", "refuse"] = "infer"

    @model_validator(mode="after")
    def _one_source(self) -> "Time":
        if (self.column is None) == (self.columns is None):
            raise ValueError("give either `column` or `columns`")
        if self.columns is None:
            return self
        named = self.columns.keys()
        if "date" in named or "time" in named:
            if named != {"date", "time"}:
                raise ValueError("`columns` with date takes time, and nothing else")
            if self.format.startswith("epoch_"):
                raise ValueError(f"format {self.format} takes one `column`")
        elif not {"year", "month", "day"} <= named:
            raise ValueError("`columns` needs at least year, month and day, or date and time")
        elif "format" in self.model_fields_set:
            raise ValueError("`format` says nothing about columns of year, month and day: leave it out")
        return self

    @model_validator(mode="after")
    def _known_format(self) -> "Time":
        if "%" not in self.format and self.format not in FORMATS:
            hint = nearest(self.format, list(FORMATS))
            near = f" (did you mean {hint}?)" if hint else ""
            raise ValueError(
                f"unknown format {self.format!r}{near}; write one of {', '.join(FORMATS)}, "
                "or a pattern such as '%d.%m.%Y %H:%M'"
            )
        return self


class Metric(Part):
    """One metric: `column * scale + offset`, or a named formula of several columns."""

    column: Column | None = None
    scale: Factor = 1.0
    offset: Factor = 0.0
    formula: str | None = None
    columns: tuple[Column, ...] = ()
    optional: bool = False

    @model_validator(mode="after")
    def _column_or_formula(self) -> "Metric":
        if (self.column is None) == (self.formula is None):
            raise ValueError("give either `column` or `formula` with `columns`")
        if self.formula is not None:
            self._check_formula(self.formula)
        elif self.columns:
            raise ValueError("`columns` go with a `formula`")
        return self

    def _check_formula(self, name: str) -> None:
        if name not in FORMULAS:
            raise ValueError(f"unknown formula {name!r}; known: {', '.join(sorted(FORMULAS))}")
        if len(self.columns) != FORMULAS[name].arity:
            raise ValueError(f"formula {name} takes {counted(FORMULAS[name].arity, 'column')}")
        if {"scale", "offset"} & self.model_fields_set:
            raise ValueError("`scale` and `offset` go with a `column`, not with a `formula`")


class Attribute(Part):
    """Text that travels with the reading: a column or a constant."""

    column: Column | None = None
    constant: Annotated[str, Field(max_length=edge.MAX_TEXT_CHARS)] | None = None
    optional: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> "Attribute":
        if (self.column is None) == (self.constant is None):
            raise ValueError("give either `column` or `constant`")
        return self


class Place(Part):
    """A WGS 84 position; degrees and metres."""

    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)
    alt_m: float | None = Field(default=None, allow_inf_nan=False)


class Places(Part):
    """One place for all devices, or one per device id (before any prefix); others have none."""

    constant: Place | None = None
    by_device: dict[str, Place] = {}


class Mapping(Part):
    """How rows of a table become readings."""

    about: str = ""
    csv: Csv = Csv()
    sheet: Sheet = Sheet()
    skip_rows: int = Field(default=0, ge=0)
    header: bool = True
    label: Literal["stem", "folder-stem"] = "stem"
    device: Device
    time: Time
    metrics: dict[
        Annotated[str, AfterValidator(_metric_name)],
        Annotated[Metric, BeforeValidator(_from_column)],
    ] = Field(min_length=1, max_length=edge.MAX_METRICS)
    attributes: dict[
        Annotated[str, Field(min_length=1, max_length=edge.MAX_TEXT_CHARS)],
        Annotated[Attribute, BeforeValidator(_from_column)],
    ] = Field(default={}, max_length=edge.MAX_ATTRIBUTES)
    location: Places = Places()
    on_empty: Literal["skip", "keep"] = "skip"
    # When the device has another value for the same time and metric: which of them counts.
    on_conflict: Literal["keep", "replace", "both"] = "replace"


def columns_of(mapping: Mapping) -> Iterator[str | int]:
    """Yield every column a mapping names."""
    if mapping.device.column is not None:
        yield mapping.device.column
    yield from (mapping.time.columns or {"date": mapping.time.column or ""}).values()
    for metric in mapping.metrics.values():
        yield from metric.columns if metric.column is None else (metric.column,)
    yield from (one.column for one in mapping.attributes.values() if one.column is not None)


def shipped_mappings() -> list[str]:
    """Return the names `--mapping` knows without a path."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load_mapping(name: str) -> Mapping:
    """Read a mapping by path or shipped name; raise MillraceError naming every key that is wrong."""
    path = _find(name)
    content: Any = read_yaml(path)
    try:
        check_storable(content)
        return Mapping.model_validate(content)
    except (UnstorableError, RecursionError) as error:
        raise MillraceError(f"the mapping is wrong: {error}", where=str(path), mend="Correct it.") from None
    except ValidationError as error:
        wrong = "; ".join(f"{_place(e['loc'])}: {_said(e)}" for e in error.errors())
        raise MillraceError(
            f"the mapping is wrong: {wrong}",
            where=str(path),
            mend="Correct the mapping; docs/mappings.md has every key.",
        ) from None


def _said(error: Any) -> str:
    """Return pydantic's word on a value without its own jargon."""
    if error["type"] == "missing":
        return "is required"
    if error["type"] == "string_type":
        return f"{error['input']!r} is no text: write it in quotes"
    return str(error["msg"]).removeprefix("Value error, ")


def _place(location: tuple[int | str, ...]) -> str:
    # Pydantic marks a key by this word, and a member of a union by its type.
    parts = [str(part) for part in location if part not in ("[key]", "str", "int", "constrained-str")]
    return ".".join(parts) or "mapping"


def _find(name: str) -> Path:
    for path in (Path(name), SHIPPED / f"{name}.yaml"):
        if path.is_file():
            return path
    raise MillraceError(
        f"no mapping {name!r}",
        where="--mapping",
        mend=f"Give a path or one of: {', '.join(shipped_mappings())}.",
    )
