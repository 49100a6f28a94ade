"""Passwords and tokens, generated at a stack's first start and kept in one file only root can read."""

import json
import os
import secrets as random
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_serializer

from millrace.settings import Settings


def _generated() -> SecretStr:
    return SecretStr(random.token_urlsafe(24))


class Secrets(BaseModel):
    """One stack's secrets; `str()` shows none of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    redis: SecretStr = Field(default_factory=_generated)
    postgres: SecretStr = Field(default_factory=_generated)
    mqtt_gateway: SecretStr = Field(default_factory=_generated)
    supervisor: SecretStr = Field(default_factory=_generated)
    tenant_tokens: dict[str, SecretStr] = Field(default_factory=dict)
    # Given by others (`millrace keys`): nothing is generated, and without them the environment's are used.
    s3_access_key_id: SecretStr = SecretStr("")
    s3_secret_access_key: SecretStr = SecretStr("")
    catalog_token: SecretStr = SecretStr("")

    @field_serializer(
        "redis",
        "postgres",
        "mqtt_gateway",
        "supervisor",
        "s3_access_key_id",
        "s3_secret_access_key",
        "catalog_token",
        when_used="json",
    )
    def _reveal(self, value: SecretStr) -> str:
        return value.get_secret_value()

    @field_serializer("tenant_tokens", when_used="json")
    def _reveal_all(self, value: dict[str, SecretStr]) -> dict[str, str]:
        return {tenant: token.get_secret_value() for tenant, token in value.items()}

    def tenant_token(self, tenant: str) -> str:
        """Return the token a tenant's devices use on MQTT and HTTP; KeyError when unknown."""
        return self.tenant_tokens[tenant].get_secret_value()


def _write(path: Path, secrets: Secrets) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.model_dump_json(indent=2))


def keep_secrets(settings: Settings, given: Mapping[str, str]) -> None:
    """Add secrets that others gave to a stack's own; ValidationError when one has no such name."""
    known = json.loads(load_secrets(settings).model_dump_json())
    _write(settings.folder / "secrets.json", Secrets.model_validate(known | dict(given)))
    load_secrets.cache_clear()


@lru_cache(maxsize=4)
def load_secrets(settings: Settings) -> Secrets:
    """Read a stack's secrets, generating and saving them at the first call."""
    path = settings.folder / "secrets.json"
    if path.exists():
        return Secrets.model_validate(json.loads(path.read_text()))
    secrets = Secrets(tenant_tokens={settings.tenant: _generated()})
    _write(path, secrets)
    return secrets
