"""What the API says of a device that is being forgotten."""

from typing import Any, Literal

from pydantic import BaseModel, Field


class ForgettingAnswer(BaseModel):
    """How far it is with forgetting a device; times are RFC 3339 in UTC."""

    tenant: str
    device_id: str
    state: Literal["running", "forgotten", "incomplete", "failed"] = Field(
        description="incomplete: something is left, the report says where. failed: it broke off, ask again."
    )
    began_at: str
    detail: str | None = Field(default=None, description="Why it failed, and how to mend it.")
    report: dict[str, Any] | None = Field(
        default=None, description="What was found in each store and what is left of it."
    )
