"""A device's presence as fields of its Redis hash, beside the newest values of `udfs.latest`.

`@state`, `@site` and `@profile` are text, `@flapping` is 1 or 0, the others whole milliseconds. A field
that is missing is not known.
"""

from typing import Final

KEEP_MS: Final = 30 * 24 * 3_600_000
_NAMES: Final = (
    "@state", "@since", "@session_start", "@last_arrival", "@site", "@profile", "@flapping", "@clock_offset",
)  # fmt: skip
Value = str | float | bool | None


def presence_fields(*values: Value) -> tuple[dict[str, str], list[str]]:
    """Return the fields to set and those to remove; values in the order of the names above.

    None and NaN, which Arrow makes of a missing number, are not known.
    """
    named = dict(zip(_NAMES, values, strict=True))
    unknown = [name for name, value in named.items() if value is None or value != value]
    return {name: _text(value) for name, value in named.items() if name not in unknown}, unknown


def _text(value: Value) -> str:
    return value if isinstance(value, str) else str(int(value or 0))
