"""Starts a round every hour as long as the stack runs (`python -m jobs.quality`)."""

import logging
import signal
import subprocess
import sys
import threading
from typing import Final

from millrace.settings import settings

_ROUND_EVERY_S: Final = 3_600.0
_AGAIN_AFTER_S: Final = 60.0
# A stack that starts has better things to do.
_FIRST_AFTER_S: Final = 120.0
_END_PATIENCE_S: Final = 10.0


def _round(stopping: threading.Event) -> bool:
    """Run a round in a process of its own; tell whether it came to its end."""
    with subprocess.Popen([sys.executable, "-m", "jobs.quality.once"]) as process:
        while process.poll() is None:
            if stopping.wait(0.5):
                process.terminate()
                try:
                    process.wait(_END_PATIENCE_S)
                except subprocess.TimeoutExpired:
                    process.kill()
    return process.returncode == 0


def main() -> None:
    """Run round after round until told to stop."""
    logging.basicConfig(level=settings().log_level, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    pause_s = _FIRST_AFTER_S
    while not stopping.wait(pause_s):
        pause_s = _ROUND_EVERY_S if _round(stopping) else _AGAIN_AFTER_S


if __name__ == "__main__":
    main()
