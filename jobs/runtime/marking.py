"""Marks time once a second, from the last mark on, for as long as the keeper runs."""

import logging
import time
from threading import Event

from confluent_kafka import KafkaException

from jobs.runtime.clock_marks import TelemetryEdge
from jobs.runtime.event_clock import EventClock, Mark
from jobs.runtime.ingestion import Ingestion
from jobs.runtime.pauses import Pauses
from millrace.clock import now_ms
from millrace.settings import Settings

_EVERY_S = 1.0
_log = logging.getLogger("millrace.clock")


class _Marking:
    """Event time and pauses, both from the last mark on."""

    def __init__(self, settings: Settings, edge: TelemetryEdge, ingestion: Ingestion) -> None:
        last, times = edge.last_mark(), settings.telemetry
        _log.info("marking_from mark=%s", last)
        self._edge = edge
        self._ingestion = ingestion
        self._clock = EventClock(times.out_of_orderness_ms, times.idle_clock_after_ms, last)
        self._pauses = Pauses(last)

    def mark(self) -> None:
        # First what may wait for an answer: the pause ends with the mark, not before. Where the topic ends is
        # looked at before the mark is written, so what lies before those ends has no later log time.
        clocks, position, accepting = self._edge.clocks(), self._edge.position(), self._ingestion.accepts()
        now = now_ms()
        paused_ms = self._pauses.total_ms(accepting, now)
        mark = Mark(self._clock.mark_ms(position, now), now, paused_ms, position.held_ends)
        self._edge.mark(mark, clocks)


def keep_marking(settings: Settings, stopping: Event) -> None:
    """Mark once a second until told to stop; a second in which Kafka is away has no mark."""
    edge, ingestion = TelemetryEdge(settings.address("kafka")), Ingestion(settings)
    marking: _Marking | None = None
    due_s = time.monotonic()
    while not stopping.wait(max(0.0, due_s - time.monotonic())):
        due_s = max(due_s + _EVERY_S, time.monotonic())
        try:
            marking = marking or _Marking(settings, edge, ingestion)
            marking.mark()
        except KafkaException as error:
            _log.warning("no_mark error=%s", error)
            # What this process believes was marked may not be in the topic: ask again.
            marking = None
    ingestion.close()
