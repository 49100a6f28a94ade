"""The mapping file: which column of a CSV is the device, the time, a metric, a place."""

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from ingest.replay.formulas import FORMULAS
from millrace.errors import MillraceError

SHIPPED = Path(__file__).resolve().parent.parent / "mappings"


def _factor(value: object) -> float:
    """Accept a number or an exact fraction such as `5/9`."""
    try:
        return float(Fraction(str(value)))
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{value!r} is neither a number nor a fraction such as 5/9") from None


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"unknown time zone {name!r}; write UTC or a name such as Asia/Shanghai") from None
    return name


def _from_column(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


Factor = Annotated[float, BeforeValidator(_factor)]
Zone = Annotated[str, AfterValidator(_known_zone)]


class Part(BaseModel):
    """A part of a mapping; an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Csv(Part):
    """How the file is written."""

    separator: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "utf-8-sig"
    missing: frozenset[str] = frozenset({""})


class Device(Part):
    """Where the device id comes from: exactly one of constant, column, file stem."""

    constant: str | None = None
    column: str | None = None
    file_stem: bool = False
    prefix: str = ""

    @model_validator(mode="after")
    def _one_source(self) -> "Device":
        if sum((self.constant is not None, self.column is not None, self.file_stem)) != 1:
            raise ValueError("give exactly one of `constant`, `column`, `file_stem: true`")
        return self


class Time(Part):
    """Where event time stands: one column with a format, or one column per calendar field."""

    column: str | None = None
    format: str = "iso"
    columns: dict[Literal["year", "month", "day", "hour", "minute", "second"], str] | None = None
    zone: Zone

    @model_validator(mode="after")
    def _one_source(self) -> "Time":
        if (self.column is None) == (self.columns is None):
            raise ValueError("give either `column` or `columns`")
        if self.columns is not None and not {"year", "month", "day"} <= self.columns.keys():
            raise ValueError("`columns` needs at least year, month and day")
        return self


class Metric(Part):
    """One metric: `column * scale + offset`, or a named formula of several columns."""

    column: str | None = None
    scale: Factor = 1.0
    offset: Factor = 0.0
    formula: str | None = None
    columns: tuple[str, ...] = ()
    optional: bool = False

    @model_validator(mode="after")
    def _column_or_formula(self) -> "Metric":
        if (self.column is None) == (self.formula is None):
            raise ValueError("give either `column` or `formula` with `columns`")
        if self.formula is not None:
            self._check_formula(self.formula)
        return self

    def _check_formula(self, name: str) -> None:
        if name not in FORMULAS:
            raise ValueError(f"unknown formula {name!r}; known: {', '.join(sorted(FORMULAS))}")
        if len(self.columns) != FORMULAS[name].arity:
            raise ValueError(f"formula {name} takes {FORMULAS[name].arity} columns")


class Attribute(Part):
    """Text that travels with the reading: a column or a constant."""

    column: str | None = None
    constant: str | None = None
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
    alt_m: float | None = None


class Places(Part):
    """One place for all devices, or one per device id (before any prefix); others have none."""

    constant: Place | None = None
    by_device: dict[str, Place] = {}


class Mapping(Part):
    """How rows of a CSV become readings."""

    about: str
    csv: Csv = Csv()
    label: Literal["stem", "folder-stem"] = "stem"
    device: Device
    time: Time
    metrics: dict[
        Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")],
        Annotated[Metric, BeforeValidator(_from_column)],
    ] = Field(min_length=1)
    attributes: dict[str, Annotated[Attribute, BeforeValidator(_from_column)]] = {}
    location: Places = Places()
    on_empty: Literal["skip", "keep"] = "skip"
    # When the device has another value for the same time and metric: which of them counts.
    on_conflict: Literal["keep", "replace", "both"] = "replace"


def shipped_mappings() -> list[str]:
    """Return the names `--mapping` knows without a path."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load_mapping(name: str) -> Mapping:
    """Read a mapping by path or shipped name; raise MillraceError naming every key that is wrong."""
    path = _find(name)
    try:
        content: Any = yaml.safe_load(path.read_text())
        return Mapping.model_validate(content)
    except ValidationError as error:
        wrong = "; ".join(f"{_place(e['loc'])}: {e['msg']}" for e in error.errors())
        raise MillraceError(
            f"the mapping is wrong: {wrong}", where=str(path), mend="Correct the mapping."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MillraceError(f"no YAML: {error}", where=str(path), mend="Correct the mapping.") from None


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "mapping"


def _find(name: str) -> Path:
    for path in (Path(name), SHIPPED / f"{name}.yaml"):
        if path.is_file():
            return path
    raise MillraceError(
        f"no mapping {name!r}",
        where="--mapping",
        mend=f"Give a path or one of: {', '.join(shipped_mappings())}.",
    )
