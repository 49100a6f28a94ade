"""The gateway as a device sees it: what it would say of a message, and what it says."""

from collections.abc import Callable
from typing import NamedTuple

import httpx

from millrace.secrets import load_secrets
from millrace.settings import Settings

# Longer than the gateway itself waits for Kafka.
TIMEOUT_S = 20.0
_ANSWERED = {202, 413, 422}


class GatewayError(Exception):
    """The gateway gave no verdict; whether it stored the message is not known."""


class Refusal(NamedTuple):
    """Why one element of a message is no reading."""

    place: int
    reason: str
    detail: str


class Gateway:
    """`POST /v1/telemetry` with the tenant's token; not for several threads."""

    def __init__(self, web: httpx.Client, token: Callable[[str], str]) -> None:
        self._web = web
        self._token = token

    def check(self, tenant: str, payload: bytes) -> list[Refusal]:
        """Return what the gateway would refuse; nothing is stored. Raises GatewayError."""
        return self._post("/v1/telemetry/check", tenant, payload)

    def send(self, tenant: str, payload: bytes) -> list[Refusal]:
        """Send a message; return what was refused. Raises GatewayError when it may or may not be stored."""
        return self._post("/v1/telemetry", tenant, payload)

    def _post(self, path: str, tenant: str, payload: bytes) -> list[Refusal]:
        try:
            token = self._token(tenant)
        except KeyError:
            return [Refusal(0, "unknown_tenant", f"this stack has no token for tenant {tenant!r}")]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            reply = self._web.post(path, content=payload, headers=headers)
        except httpx.HTTPError as error:
            raise GatewayError(f"the gateway does not answer: {type(error).__name__}") from None
        if reply.status_code not in _ANSWERED:
            raise GatewayError(f"the gateway answered {reply.status_code}: {reply.text[:200]}")
        return [Refusal(r["index"], r["reason"], r["detail"]) for r in reply.json()["rejected"]]


def connect(config: Settings) -> httpx.Client:
    """Open a client of this stack's gateway; loopback is not asked through a proxy of the environment."""
    return httpx.Client(
        base_url=f"http://{config.address('gateway_http')}", timeout=TIMEOUT_S, trust_env=False
    )


def open_gateway(web: httpx.Client, config: Settings) -> Gateway:
    """Return the gateway with this stack's tokens."""
    return Gateway(web, load_secrets(config).tenant_token)
