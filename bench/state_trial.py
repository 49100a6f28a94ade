"""Real readings with every kind of disorder through a running stack, and what must come of them."""

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import duckdb

from bench.compared import compare, counted_points, distinct_readings, take_tables
from bench.disorder import Chunk, Sent, sentinels
from bench.event_time import StreamTime
from bench.log_records import Offsets, dead_letters_of_the_log, end_offsets
from bench.registered import register
from bench.sent_ledger import SentLedger
from bench.state_recording import Recording
from bench.stored import stored, wait_until
from ingest.replay.drive import Driver
from ingest.replay.message import Message
from ingest.replay.way import open_sender
from millrace.clock import to_iso
from millrace.errors import MillraceError
from millrace.settings import Settings
from tests.oracle.compare import (
    count,
    dead_letter_differences,
    sent_differences,
    session_differences,
)
from tests.oracle.sent import expect_sent, expect_sessions

DEAD_LETTERS = "iot.dead_letters"
_GIVE_UP_S = 120.0
# What a wrong correction adds comes with the corrector's next pass.
_CORRECTOR_PASS_S = 12.0
_CORRECTED_SESSIONS = """(
  FROM (
    SELECT
      arg_max({'late': late_count, 'superseded': superseded}, revision) AS newest, max(revision) AS revision
    FROM actual_sessions GROUP BY device_id, session_start)
  WHERE NOT newest.superseded AND (revision > 0 OR newest.late > 0))
"""
Say = Callable[[str], None]


class Figures(NamedTuple):
    """What a state trial came to; `differences` empty means that everything is as it must be."""

    messages: int
    malformed: int
    readings: int
    duplicates: int
    late: int
    windows: int
    windows_with_late: int
    windows_revised: int
    panes: int
    sessions: int
    sessions_corrected: int
    sessions_superseded: int
    dead_letters: int
    sending_s: float
    settled_s: float
    differences: list[str]


def run_state_trial(
    settings: Settings, recording: Recording, ledger: Path, patience_s: float, say: Say
) -> Figures:
    """Register, send, wait and compare; the ledger of what was sent stays in `ledger`."""
    say("registering the stations")
    register(settings, recording.profiles(), recording.devices())
    begin = end_offsets(settings, "telemetry.dead-letter")
    began = time.monotonic()
    _send(settings, recording, ledger, say)
    sending_s = time.monotonic() - began
    with closing(duckdb.connect()) as connection:
        expect_sent(connection, ledger)
        expect_sessions(connection, settings.tenant, recording.terms())
        settled_s = _settle(settings, connection, recording.prefix, patience_s, say)
        return _compare(settings, connection, recording.prefix, begin, (sending_s, settled_s))


def _send(settings: Settings, recording: Recording, ledger: Path, say: Say) -> None:
    stream = StreamTime(settings, "telemetry")
    come_ms = stream.watermark_ms() or 0
    if come_ms > recording.start_ms:
        say(f"event time is at {to_iso(come_ms)} already: what was measured before is late as a whole")
    sender = open_sender("mqtt", settings, settings.tenant)
    with SentLedger(ledger) as sent, closing(sender):

        def send(messages: list[Sent]) -> None:
            driver = Driver(sender, speed=None, give_up_after_s=_GIVE_UP_S, report=lambda _: None)
            driver.run(_as_messages(messages))
            if driver.stalled or sender.refused:
                raise MillraceError(
                    f"the broker took no more: {sender.refusal or 'no acknowledgement'}",
                    where="mqtt",
                    mend="See `millrace status`.",
                )
            sent.add(messages)

        for number, chunk in enumerate(recording.chunks(), start=1):
            _send_chunk(chunk, send, stream)
            say(f"chunk {number} sent, {sender.acknowledged:,} messages")
        send(sentinels(recording.prefix, recording.sentinel_ms))


def _send_chunk(chunk: Chunk, send: Callable[[list[Sent]], None], stream: StreamTime) -> None:
    send(chunk.flowing)
    if chunk.late_until_ms:
        stream.wait_past(chunk.late_until_ms)
    send(chunk.late)


def _as_messages(messages: Iterable[Sent]) -> Iterable[Message]:
    return (Message(message.device_id, message.event_time_ms, message.payload) for message in messages)


def _settle(
    settings: Settings, connection: duckdb.DuckDBPyConnection, prefix: str, patience_s: float, say: Say
) -> float:
    """Wait until stream and corrector have told everything that is expected, or nothing moves any more."""

    def look() -> tuple[int, ...]:
        return (
            distinct_readings(settings, connection, prefix),
            counted_points(settings, connection, prefix),
            *_told_sessions(settings, connection, prefix),
            _stored_dead_letters(settings, prefix),
        )

    rows = connection.execute("SELECT count(*), sum(readings)::BIGINT FROM expected_sessions").fetchone()
    wanted = (
        count(connection, "expected_readings"),
        count(connection, "expected_points"),
        *(rows or ()),
        count(connection, "(FROM sent_ledger WHERE kind = 'malformed')"),
    )
    say(f"waiting for readings, points, sessions, their readings, dead letters: {_listed(wanted)}")
    settled_s = wait_until(look, wanted, patience_s, lambda found: say(f"found {_listed(found)}"))
    time.sleep(_CORRECTOR_PASS_S)
    return settled_s


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(f"{number:,}" for number in numbers)


def _told_sessions(settings: Settings, connection: duckdb.DuckDBPyConnection, prefix: str) -> tuple[int, int]:
    columns = ("device_id", "session_start", "readings", "revision", "superseded")
    connection.register("looked", stored(settings, "iot.sessions", prefix, *columns))
    row = connection.execute(
        "SELECT count(*), coalesce(sum(newest.readings), 0)::BIGINT FROM (SELECT "
        "arg_max({'readings': readings, 'superseded': superseded}, revision) AS newest "
        "FROM looked GROUP BY device_id, session_start) WHERE NOT newest.superseded"
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def _stored_dead_letters(settings: Settings, prefix: str) -> int:
    return len(stored(settings, DEAD_LETTERS, prefix, "device_id"))


def _compare(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    prefix: str,
    begin: Offsets,
    times_s: tuple[float, float],
) -> Figures:
    take_tables(settings, connection, prefix)
    connection.register("actual_sessions", stored(settings, "iot.sessions", prefix))
    differences = _session_and_dead_letter_differences(settings, connection, prefix, begin)
    late_windows, revised_windows = _corrected_windows(connection)
    compared = compare(settings, connection)
    figures = Figures(
        messages=count(connection, "(FROM sent_ledger WHERE kind <> 'sentinel')"),
        malformed=count(connection, "(FROM sent_ledger WHERE kind = 'malformed')"),
        readings=count(connection, "actual_readings"),
        duplicates=count(connection, "(FROM actual_readings WHERE mark = 'duplicate')"),
        late=count(connection, "(FROM actual_readings WHERE mark = 'late')"),
        windows=compared.windows,
        windows_with_late=late_windows,
        windows_revised=revised_windows,
        panes=compared.panes,
        sessions=count(connection, "expected_sessions"),
        sessions_corrected=count(connection, _CORRECTED_SESSIONS),
        sessions_superseded=count(connection, "(FROM actual_sessions WHERE superseded)"),
        dead_letters=count(connection, "actual_dead_letters"),
        sending_s=round(times_s[0], 1),
        settled_s=round(times_s[1], 1),
        differences=differences + compared.differences,
    )
    return figures._replace(differences=figures.differences + _nothing_corrected(figures))


def _session_and_dead_letter_differences(
    settings: Settings, connection: duckdb.DuckDBPyConnection, prefix: str, begin: Offsets
) -> list[str]:
    differences = [f"iot.readings: {line}" for line in sent_differences(connection)]
    differences += [f"iot.sessions: {line}" for line in session_differences(connection)]
    for place, letters in (
        ("telemetry.dead-letter", dead_letters_of_the_log(settings, begin, prefix)),
        (DEAD_LETTERS, stored(settings, DEAD_LETTERS, prefix, "device_id", "reason", "original")),
    ):
        connection.register("actual_dead_letters", letters)
        differences += [f"{place}: {line}" for line in dead_letter_differences(connection)]
    return differences


def _corrected_windows(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Return how many windows count late readings, and how many were told again."""
    row = connection.execute(
        "SELECT count(*) FILTER (WHERE late > 0), count(*) FILTER (WHERE newest > 0) FROM (SELECT "
        "arg_max(late_count, revision) AS late, max(revision) AS newest "
        "FROM actual_windows GROUP BY device_id, metric, window_start)"
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def _nothing_corrected(figures: Figures) -> list[str]:
    """Say so when a trial proves nothing of corrections: late readings that changed no answer."""
    counts = {
        "late readings": figures.late,
        "windows with late readings": figures.windows_with_late,
        "corrected sessions": figures.sessions_corrected,
    }
    return [f"the trial shows nothing: no {name}" for name, number in counts.items() if not number]
