"""One line of the doctor's report."""

from pydantic import BaseModel, ConfigDict


class Finding(BaseModel):
    """What was looked at, what was found, and the mend when it is not right."""

    model_config = ConfigDict(frozen=True)

    name: str
    ok: bool
    found: str
    mend: str = ""
