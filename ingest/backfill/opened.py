"""What an import needs of a stack: tables that hold readings, and the topic of dead letters."""

from collections.abc import Iterable
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from pyiceberg.exceptions import NoSuchTableError

from catalog.lake import NAMESPACE, load_lake
from ingest.backfill.importing import Lake, Send
from ingest.gateway.dead_letter import TOPIC
from ingest.gateway.producer import KafkaLog
from millrace.settings import Settings

_ARCHIVE: Final = ("iot_archive", "readings")
_GIVE_UP_MS: Final = 10_000
_FLUSH_S: Final = 15.0


def open_lake(config: Settings) -> Lake:
    """Return the tables; the archive only when there is one."""
    lake = load_lake(config)
    readings = lake.load_table((NAMESPACE, "readings"))
    try:
        return Lake(readings, (lake.load_table(_ARCHIVE),))
    except NoSuchTableError:
        return Lake(readings, ())


def dead_letter_log(config: Settings) -> Send:
    """Return what writes dead letters and waits for Kafka; KafkaException when it refuses some."""
    log = KafkaLog(config.address("kafka"), _GIVE_UP_MS)

    def send(letters: Iterable[tuple[bytes | None, bytes]]) -> None:
        errors: list[str] = []

        def answered(error: str | None) -> None:
            if error is not None:
                errors.append(error)

        for key, value in letters:
            log.produce(TOPIC, key, value, answered)
        if log.flush(_FLUSH_S) or errors:
            raise KafkaException(KafkaError(KafkaError._MSG_TIMED_OUT, errors[0] if errors else None))

    return send
