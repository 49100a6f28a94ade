"""Redis as the jobs see it: pipelines that wait for a Redis that is coming back."""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.client import Pipeline
from redis.exceptions import BusyLoadingError, ConnectionError, TimeoutError
from redis.retry import Retry

from millrace.secrets import load_secrets
from millrace.settings import Settings
from udfs.hot_writes import RangeWrite

_log = logging.getLogger("millrace.hot")
_PATIENCE_S = 120
_PAUSE_S = 0.5


def connect(settings: Settings) -> Redis:
    """Open this stack's Redis with small retries of its own."""
    return Redis(
        host=settings.bind_host,
        port=settings.port("redis"),
        password=load_secrets(settings).redis.get_secret_value(),
        socket_timeout=10,
        retry=Retry(ConstantBackoff(0.1), 2),
        retry_on_error=[ConnectionError, TimeoutError],
    )


def write(store: Redis, fill: Callable[[Pipeline], None]) -> None:
    """Run one pipeline; while Redis is away, try again for two minutes, then let the job restart.

    Writes are idempotent, so a batch that got through half is simply written again.
    """
    for attempt in range(int(_PATIENCE_S / _PAUSE_S)):
        try:
            with store.pipeline(transaction=False) as pipeline:
                fill(pipeline)
                pipeline.execute()
        except (ConnectionError, TimeoutError, BusyLoadingError) as error:
            _log.warning("redis is away (attempt %d): %s", attempt + 1, error)
            time.sleep(_PAUSE_S)
        else:
            return
    raise ConnectionError(f"redis stayed away for {_PATIENCE_S} s")


def write_ranges(store: Redis, writes: Sequence[RangeWrite]) -> None:
    """Lay slots of series into their places, in one pipeline; the same again changes nothing."""
    if writes:
        write(store, partial(_lay, writes=writes))


def _lay(pipeline: Pipeline, writes: Sequence[RangeWrite]) -> None:
    for place in writes:
        pipeline.setrange(place.key, place.offset, place.slots)
    for key, expires_at_ms in {place.key: place.expires_at_ms for place in writes}.items():
        pipeline.pexpireat(key, expires_at_ms)
