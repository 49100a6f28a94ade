"""When a delivery that failed is tried again, and when not any more."""

from typing import Final
from zlib import crc32

MOST_ATTEMPTS: Final = 12
_FIRST_S: Final = 5.0
_MOST_S: Final = 3_600.0


def retry_delay_s(notification_id: int, attempt: int, asked_s: float | None = None) -> float:
    """Return the seconds until the attempt after `attempt` (from 1): doubling from 5 s to an hour at most.

    Half of it is spread by the notification, so that what failed together does not come again together.
    A receiver may ask for more (`Retry-After`), up to an hour.
    """
    longest_s = min(_MOST_S, _FIRST_S * 2.0 ** min(attempt - 1, 20))
    spread = crc32(f"{notification_id}/{attempt}".encode()) / 2**32
    return max(longest_s * (0.5 + 0.5 * spread), min(asked_s or 0.0, _MOST_S))


def is_last(attempt: int) -> bool:
    """Tell whether a delivery is given up when this attempt fails."""
    return attempt >= MOST_ATTEMPTS
