"""Tells of alerts on topic `alerts`, as the stream does."""

from collections.abc import Iterable
from io import BytesIO
from typing import Final

from fastavro import schemaless_writer

from jobs.publishing.acknowledged_log import AcknowledgedLog
from millrace.contracts import avro_schema
from udfs.rules.alerts import AlertChange

TOPIC: Final = "alerts"


class AlertTopic:
    """Writes changes of alerts; its connection is made at the first write."""

    def __init__(self, bootstrap: str) -> None:
        self._log = AcknowledgedLog(bootstrap, TOPIC)

    def tell(self, changes: Iterable[AlertChange]) -> None:
        """Write changes and wait until Kafka has all of them; KafkaException when it does not."""
        self._log.write((f"{one.tenant}/{one.device_id}".encode(), encoded(one)) for one in changes)


def encoded(change: AlertChange) -> bytes:
    """Return the record of a change; figures of its evidence are texts."""
    buffer = BytesIO()
    schemaless_writer(buffer, avro_schema(TOPIC), change._asdict() | {"evidence": evidence_of(change)})
    return buffer.getvalue()


def evidence_of(change: AlertChange) -> dict[str, str]:
    """Return the evidence of a change as records and rows hold it."""
    return {name: str(value) for name, value in change.evidence.items()}
