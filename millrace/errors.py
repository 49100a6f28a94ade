"""Errors a person can act on."""


class MillraceError(Exception):
    """Something a person must mend: says what happened, where, and what to do."""

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.mend = mend

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        advice = f" {self.mend}" if self.mend else ""
        return f"{self.what}{place}.{advice}"
