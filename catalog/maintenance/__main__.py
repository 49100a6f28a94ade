"""Maintains as long as the stack runs (`python -m catalog.maintenance`); one maintainer at a time."""

import logging
import os
import threading
from typing import Final

from pyiceberg.exceptions import CommitFailedException

from catalog.lake import LAKE_AWAY, load_lake
from catalog.maintenance.alone import Alone
from catalog.maintenance.passes import Maintainer
from catalog.maintenance.report import read_report, report_file, write_report
from catalog.migrations import connect
from catalog.serving import serve_alone
from catalog.tiering.terms import load_terms
from catalog.tiering.tierer import Tierer
from millrace.clock import now_ms
from millrace.settings import Settings, settings

_log = logging.getLogger("millrace.maintenance")
PASS_EVERY_S: Final = 240.0
# The stream comes first: a pass that took long is followed by a longer pause.
_PAUSE_PER_PASS: Final = 4
_TIERS_EVERY_MS: Final = 3_600_000
_NICENESS: Final = 10
_PASSING = (CommitFailedException, *LAKE_AWAY)


def _maintain(config: Settings, alone: Alone, stopping: threading.Event) -> None:
    path = report_file(config)
    lake = load_lake(config)
    maintainer, tierer = Maintainer(lake, read_report(path), alone.check), Tierer(lake)
    pause_s, tiered_ms = PASS_EVERY_S, 0
    while not stopping.wait(pause_s):
        pause_s = PASS_EVERY_S
        try:
            # First: no file of a move that a crash left half done may be touched.
            tierer.settle()
            report = maintainer.run_pass(now_ms())
            if now_ms() - tiered_ms >= _TIERS_EVERY_MS:
                _tier(config, tierer)
                tiered_ms = now_ms()
        except _PASSING as error:
            _log.warning("will try again: %s", error)
        else:
            write_report(path, report)
            pause_s = max(PASS_EVERY_S, _PAUSE_PER_PASS * report.pass_ms / 1_000)


def _tier(config: Settings, tierer: Tierer) -> None:
    with connect(config) as registry:
        done = tierer.run_pass(load_terms(registry), now_ms())
    if any((done.moved.rows, done.deleted.rows)):
        _log.info("%d rows moved to the archive, %d deleted from it", done.moved.rows, done.deleted.rows)


def main() -> None:
    """Wait until no other maintainer runs, then pass after pass until told to stop."""
    logging.basicConfig(level=settings().log_level, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    os.nice(_NICENESS)
    serve_alone(Alone, _maintain, PASS_EVERY_S)


if __name__ == "__main__":
    main()
