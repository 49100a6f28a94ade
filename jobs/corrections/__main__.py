"""Corrects as long as the stack runs (`python -m jobs.corrections`); one corrector at a time."""

import logging
import os
import threading
from typing import Final

import httpx
from confluent_kafka import KafkaException
from pyiceberg.exceptions import CommitFailedException
from redis.exceptions import RedisError

from catalog.corrections_report import report_file, write_report
from catalog.lake import LAKE_AWAY, load_lake
from catalog.registry import context_of
from catalog.serving import serve_alone
from catalog.turns import Alone
from jobs.corrections.alert_sources import alert_sources
from jobs.corrections.corrector import Corrector, Surroundings
from jobs.corrections.hot_tier import HotTier
from jobs.corrections.memory import Memory
from jobs.corrections.session_repair import Devices
from jobs.corrections.stream_view import Stream
from jobs.corrections.tick_watermark import NewestMark, TickWatermark
from jobs.runtime.hot_store import connect as connect_redis
from millrace.clock import now_ms
from millrace.settings import Settings, settings

_log = logging.getLogger("millrace.corrector")
_PASS_EVERY_S: Final = 10.0
_LONGEST_PAUSE_S: Final = 120.0
_NICENESS: Final = 5
_PASSING = (httpx.HTTPError, KafkaException, CommitFailedException, RedisError, *LAKE_AWAY)


def _surroundings(config: Settings, alone: Alone) -> Surroundings:
    hot = HotTier(connect_redis(config))
    ticks = TickWatermark(NewestMark(config.address("kafka")), config.telemetry.out_of_orderness_ms)
    return Surroundings(
        lake=load_lake(config),
        look=Stream(config).look,
        tick_watermark_ms=ticks.event_time_ms,
        put_panes=hot.put_panes,
        devices=Devices(lambda owners: context_of(config, owners), hot.open_since_ms),
        alerts=alert_sources(config),
        still_alone=alone.check,
    )


def _correct(config: Settings, alone: Alone, stopping: threading.Event) -> None:
    memory = Memory(config.folder / "corrections.duckdb")
    corrector = Corrector(memory, _surroundings(config, alone))
    pause_s = 0.0
    while not stopping.wait(pause_s):
        pause_s = _PASS_EVERY_S
        if not alone.take_turn():
            _log.info("somebody recomputes")
            continue
        try:
            report = corrector.run_pass(now_ms())
        except _PASSING as error:
            _log.warning("will try again: %s", error)
        else:
            write_report(report_file(config), report)
            # A long pass must not be followed by the next at once: the stream comes first.
            pause_s = min(max(_PASS_EVERY_S, 2 * report.pass_ms / 1_000), _LONGEST_PAUSE_S)
        finally:
            alone.end_turn()
    memory.close()


def main() -> None:
    """Wait until no other corrector runs, then pass after pass until told to stop."""
    logging.basicConfig(level=settings().log_level, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    os.nice(_NICENESS)
    serve_alone(Alone, _correct, _PASS_EVERY_S)


if __name__ == "__main__":
    main()
