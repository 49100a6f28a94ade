"""HTTP: batches in order over one kept connection, gzip, retried until the gateway answers."""

import gzip
import time
from collections import deque
from itertools import islice
from typing import Any

import httpx

from ingest.replay.message import Message
from ingest.replay.tenant_token import tenant_token
from ingest.replay.way import Way
from millrace.errors import MillraceError
from millrace.settings import Settings

BATCH = 200
# Well under the gateway's 256 KiB, whatever one reading adds.
_BATCH_BYTES = 160_000
_ACCEPTED = 202
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


class HttpSender:
    """Posts to `/v1/telemetry`; one request at a time keeps the order."""

    def __init__(self, settings: Settings, tenant: str, window: int) -> None:
        self.window = window
        self.acknowledged = self.refused = 0
        self.refusal = ""
        self._waiting: deque[bytes] = deque()
        self._pause_s = _FIRST_PAUSE_S
        self._client = httpx.Client(
            base_url=f"http://{settings.address('gateway_http')}",
            headers={
                "Authorization": f"Bearer {tenant_token(settings, tenant)}",
                "Content-Type": "application/json",
                "Content-Encoding": "gzip",
            },
            timeout=30.0,
            trust_env=False,
        )

    @property
    def in_flight(self) -> int:
        """How many messages wait for a 202."""
        return len(self._waiting)

    def send(self, message: Message) -> None:
        """Add one message to the next batch."""
        self._waiting.append(message.payload)

    def poll(self, timeout_s: float) -> None:
        """Post the next batch, or wait when there is none; a failed try waits before it returns."""
        if not self._waiting:
            time.sleep(timeout_s)
            return
        batch = _next_batch(self._waiting)
        answer = self._post(batch)
        if answer is None:
            time.sleep(self._pause_s)
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
            return
        self._pause_s = _FIRST_PAUSE_S
        self._settle(answer, len(batch))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _post(self, batch: list[bytes]) -> httpx.Response | None:
        body = gzip.compress(b"[" + b",".join(batch) + b"]", compresslevel=1)
        try:
            answer = self._client.post("/v1/telemetry", content=body)
        except httpx.TransportError as error:
            self.refusal = f"no answer: {error}"
            return None
        if answer.status_code in _TRY_AGAIN:
            self.refusal = f"status {answer.status_code}"
            return None
        return answer

    def _settle(self, answer: httpx.Response, size: int) -> None:
        if answer.status_code in (401, 403):
            raise MillraceError(
                "the gateway does not accept the token", where=str(answer.url), mend="Check --tenant."
            )
        for _ in range(size):
            self._waiting.popleft()
        told = _told(answer)
        accepted = told.get("accepted", size if answer.status_code == _ACCEPTED else 0)
        refused = size - int(accepted)
        self.acknowledged += size - refused
        self.refused += refused
        if refused:
            first = (told.get("rejected") or [told])[0]
            self.refusal = (
                f"status {answer.status_code}: {first.get('reason', '')} {first.get('detail', '')}".strip()
            )


def _next_batch(waiting: deque[bytes]) -> list[bytes]:
    batch: list[bytes] = []
    size = 0
    for payload in islice(waiting, BATCH):
        size += len(payload) + 1
        if batch and size > _BATCH_BYTES:
            break
        batch.append(payload)
    return batch


def _told(answer: httpx.Response) -> dict[str, Any]:
    """Read what the gateway says of a batch: it takes the good ones of a mixed one."""
    try:
        told = answer.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


WAY = Way(HttpSender, window=BATCH, names_device=True)
