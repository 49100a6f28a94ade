"""One keeper at a time takes topic `alerts` into PostgreSQL, and with it how far the topic was taken."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import psycopg
from psycopg import Connection

from catalog.alert_transitions import MOST_AT_ONCE, Lifecycle, Transition, consumed, keep_consumed
from catalog.locks import take_lock
from catalog.outbox import RuleBook
from jobs.alerts_keeper.transitions_log import TOPIC, Batch, TransitionsLog

_READ_S: Final = 0.5
_LOOK_EVERY_MS: Final = 1_000
_log = logging.getLogger("millrace.alerts")


class Keeper:
    """Holds the lock with the connection it writes with: a keeper that lost it can no longer write."""

    def __init__(self, connection: Connection, bootstrap: str, clock: Callable[[], int]) -> None:
        self._connection = connection
        self._connection.autocommit = True
        self._bootstrap = bootstrap
        self._clock = clock
        self._book = RuleBook(connection)
        self._looked_ms = 0

    def alone(self) -> bool:
        """Try to be the one keeper; psycopg.Error when the connection is gone."""
        return take_lock(self._connection, "alerts-keeper")

    def open_log(self) -> TransitionsLog:
        """Open the topic where the last keeper stopped."""
        return TransitionsLog(self._bootstrap, consumed(self._connection, TOPIC))

    def step(self, log: TransitionsLog) -> int:
        """Take what has come, and once a second see to what time brings; return how many records came."""
        batch = log.read(_READ_S)
        if batch.next_offsets:
            self._take(batch)
        self._look()
        return len(batch.transitions)

    def _take(self, batch: Batch) -> None:
        try:
            with self._connection.transaction():
                self._lifecycle().take(batch.transitions)
                keep_consumed(self._connection, TOPIC, batch.next_offsets)
        except (psycopg.DataError, psycopg.IntegrityError):
            self._take_each(batch)

    def _take_each(self, batch: Batch) -> None:
        """Take a batch with a record that PostgreSQL refuses: all but that one."""
        with self._connection.transaction():
            for transition in batch.transitions:
                self._take_one(transition)
            keep_consumed(self._connection, TOPIC, batch.next_offsets)

    def _take_one(self, transition: Transition) -> None:
        try:
            with self._connection.transaction():
                self._lifecycle().take([transition])
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            said = str(error).strip()
            _log.error("alert_record_refused alert=%s error=%s", transition.alert_id, said)

    def _look(self) -> None:
        now_ms = self._clock()
        if 0 <= now_ms - self._looked_ms < _LOOK_EVERY_MS:
            return
        self._looked_ms = now_ms
        for what in (Lifecycle.escalate, Lifecycle.close_out_of_force):
            count = MOST_AT_ONCE
            while count == MOST_AT_ONCE:
                with self._connection.transaction():
                    count = what(self._lifecycle())

    def _lifecycle(self) -> Lifecycle:
        return Lifecycle(self._connection, self._book, datetime.fromtimestamp(self._clock() / 1000, UTC))
