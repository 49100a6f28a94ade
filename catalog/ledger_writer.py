"""Balances every half minute (`python -m catalog.ledger_writer`).

Each look reads only what is new. What it found goes to `ledger.json` in the stack's folder, which the API
reads, and the settled minutes to `iot.ledger`. What it remembers lies in `ledger.npz`; without it the next
look reads everything.
"""

import json
import logging
import signal
import threading
from pathlib import Path

from pyiceberg.exceptions import CommitFailedException, NoSuchTableError

from catalog.lake import LAKE_AWAY, NAMESPACE, load_lake
from catalog.ledger import Ledger
from catalog.ledger_source import taken
from catalog.ledger_state import load_state, save_state, state_file
from catalog.ledger_table import LedgerTable
from millrace.errors import MillraceError
from millrace.settings import Settings, settings

_log = logging.getLogger("millrace.ledger")
_LOOK_EVERY_S = 30.0
# A committed checkpoint may take one interval and the checkpoint itself.
_SETTLE_INTERVALS = 3


class LedgerWriter:
    """Looks again and again; every look starts from what the last good one left."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._table: LedgerTable | None = None

    def look(self) -> Ledger:
        """Balance, remember, publish, and append settled minutes."""
        settle_s = _SETTLE_INTERVALS * self._settings.flink.checkpoint_interval_ms / 1000
        path = state_file(self._settings.folder)
        with taken(self._settings, settle_s, load_state(path)) as look:
            ledger = look.ledger
        save_state(look.state, path)
        _write(self._settings.folder / "ledger.json", json.dumps(ledger.as_json()))
        self._append(ledger)
        return ledger

    def _append(self, ledger: Ledger) -> None:
        table, self._table = self._table or self._open(), None
        written = table.write(ledger.minutes, ledger.taken_at_ms)
        if written:
            _log.info("minutes_written count=%d balanced=%s", written, ledger.balanced)
        # Kept only after a good commit: what a failed one wrote is not known.
        self._table = table

    def _open(self) -> LedgerTable:
        return LedgerTable(load_lake(self._settings).load_table((NAMESPACE, "ledger")))


def _write(path: Path, text: str) -> None:
    scratch = path.with_suffix(".json.new")
    scratch.write_text(text)
    scratch.replace(path)


def main() -> None:
    """Look every half minute until told to stop."""
    logging.basicConfig(level=settings().log_level, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    writer = LedgerWriter(settings())
    while not stopping.is_set():
        try:
            writer.look()
        except (MillraceError, *LAKE_AWAY, CommitFailedException, NoSuchTableError) as error:
            _log.warning("will look again: %s", error)
        stopping.wait(_LOOK_EVERY_S)


if __name__ == "__main__":
    main()
