"""By what a device is judged of which the registry says nothing."""

from typing import Final

DEFAULT_PROFILE: Final = "default"
DEFAULT_OFFLINE_AFTER_MS: Final = 60_000
DEFAULT_EXPECTED_INTERVAL_MS: Final = 10_000
