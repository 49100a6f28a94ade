"""Decides what is delivered when; delivers in threads, so that no channel waits for another.

One thread speaks to PostgreSQL. What was delivered is kept until it is written down, also while PostgreSQL is
away: nothing is sent again because nobody remembered.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import Final, NamedTuple

from psycopg import Connection

from api.notifier.channel_kind import DEADLINE_S, Outcome
from catalog.deliveries import (
    Attempt,
    ChannelName,
    Claim,
    State,
    claim,
    give_up_orphans,
    give_up_waiting,
    record,
)
from udfs.notify.backoff import is_last, retry_delay_s
from udfs.notify.circuit import Circuit

MOST_AT_ONCE: Final = 4
_LEASE: Final = timedelta(seconds=6 * DEADLINE_S)
_TIDY_EVERY_MS: Final = 30_000
_MOST_WAIT: Final = timedelta(hours=24)
_log = logging.getLogger("millrace.notifier")


class Delivered(NamedTuple):
    """A delivery that has ended; times are epoch milliseconds."""

    claim: Claim
    outcome: Outcome
    started_ms: int
    ended_ms: int
    duration_ms: int


Deliver = Callable[[Claim, int], Outcome]


class Dispatcher:
    """Claims what is due, hands it to threads, and writes down what came of it.

    Each end of a delivery is put into `events`, so that whoever waits for it goes on at once.
    """

    def __init__(
        self,
        deliver: Deliver,
        threads: Executor,
        events: "SimpleQueue[Delivered | None]",
        clock: Callable[[], int],
    ) -> None:
        self._deliver, self._threads, self._events, self._clock = deliver, threads, events, clock
        self._in_flight: dict[int, ChannelName] = {}
        self._ended: deque[Delivered] = deque()
        self._circuits: dict[ChannelName, Circuit] = {}
        self._tidied_ms = 0

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing is on its way or waits to be written down."""
        return not self._in_flight

    def take(self, event: Delivered | None) -> None:
        """Take an event; None only wakes."""
        if event is not None:
            self._ended.append(event)

    def write_down(self, connection: Connection) -> None:
        """Record deliveries that have ended; psycopg.Error leaves the rest for the next time."""
        while self._ended:
            delivered = self._ended[0]
            attempt = _attempt(delivered)
            record(connection, attempt)
            self._ended.popleft()
            del self._in_flight[attempt.notification_id]
            self._judge(delivered, attempt)

    def send_due(self, connection: Connection) -> int:
        """Begin what is due and has room; return how many."""
        now_ms = self._clock()
        self._tidy(connection, now_ms)
        claims = claim(
            connection,
            now=_moment(now_ms),
            lease_until=_moment(now_ms) + _LEASE,
            most=MOST_AT_ONCE,
            room=self._room(now_ms),
            in_flight=list(self._in_flight),
        )
        for one in claims:
            self._in_flight[one.notification_id] = one.name
            self._threads.submit(self._carry, one)
        return len(claims)

    def _carry(self, one: Claim) -> None:
        started_ms, began_s = self._clock(), time.perf_counter()
        outcome = self._deliver(one, started_ms)
        duration_ms = round((time.perf_counter() - began_s) * 1000)
        self._events.put(Delivered(one, outcome, started_ms, self._clock(), duration_ms))

    def _room(self, now_ms: int) -> dict[ChannelName, int]:
        busy = Counter(self._in_flight.values())
        return {
            name: self._circuits.get(name, Circuit()).room(now_ms, busy[name], MOST_AT_ONCE)
            for name in busy.keys() | self._circuits.keys()
        }

    def _judge(self, delivered: Delivered, attempt: Attempt) -> None:
        name, outcome = delivered.claim.name, delivered.outcome
        if outcome.result == "failed":
            circuit = self._circuits.get(name, Circuit()).failed(delivered.ended_ms)
            self._circuits[name] = circuit
        else:
            # It answered, even if it did not want this message.
            circuit = self._circuits.pop(name, Circuit())
        _log.log(
            logging.INFO if outcome.result == "sent" else logging.WARNING,
            "delivery channel=%s/%s notification=%d attempt=%d state=%s duration_ms=%d failures=%d detail=%s",
            *name,
            attempt.notification_id,
            attempt.attempt,
            attempt.state,
            attempt.duration_ms,
            circuit.failures,
            attempt.detail,
        )

    def _tidy(self, connection: Connection, now_ms: int) -> None:
        if now_ms - self._tidied_ms < _TIDY_EVERY_MS:
            return
        self._tidied_ms = now_ms
        given_up = give_up_orphans(connection, _moment(now_ms))
        for name, circuit in self._circuits.items():
            if circuit.is_open(now_ms):
                given_up += give_up_waiting(connection, name, _moment(now_ms) - _MOST_WAIT)
        if given_up:
            _log.warning("notifications_given_up count=%d", given_up)


def _attempt(delivered: Delivered) -> Attempt:
    one, outcome = delivered.claim, delivered.outcome
    state: State = "sent"
    next_attempt_at: datetime | None = None
    if outcome.result == "refused" or (outcome.result == "failed" and is_last(one.attempt)):
        state = "dead"
    elif outcome.result == "failed":
        state = "failed"
        delay_s = retry_delay_s(one.notification_id, one.attempt, outcome.retry_after_s)
        next_attempt_at = _moment(delivered.ended_ms) + timedelta(seconds=delay_s)
    return Attempt(
        notification_id=one.notification_id,
        attempt=one.attempt,
        started_at=_moment(delivered.started_ms),
        ended_at=_moment(delivered.ended_ms),
        duration_ms=delivered.duration_ms,
        outcome=outcome.result,
        detail=outcome.detail,
        state=state,
        next_attempt_at=next_attempt_at,
    )


def _moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)
