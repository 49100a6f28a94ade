"""The dead letter: a rejection on its way to `telemetry.dead-letter`."""

from io import BytesIO

from fastavro import schemaless_writer

from ingest.gateway.normalise import Envelope, Rejection
from millrace.contracts import avro_schema

TOPIC = "telemetry.dead-letter"


def encode_dead_letter(rejection: Rejection, envelope: Envelope) -> bytes:
    """Encode a rejection as schemaless Avro (see `schemas/avro/telemetry.dead-letter.avsc`)."""
    buffer = BytesIO()
    fields = {
        "reason": rejection.reason.value,
        "detail": rejection.detail,
        "original": rejection.original,
        "tenant": envelope.tenant or None,
        "device_id": envelope.device_id or rejection.device_id,
        "address": envelope.address,
        "received_at": envelope.received_at,
        "source": envelope.source,
    }
    schemaless_writer(buffer, avro_schema(TOPIC), fields)
    return buffer.getvalue()


def dead_letter_key(rejection: Rejection, envelope: Envelope) -> bytes | None:
    """Return `tenant/device_id`, or None when either is unknown."""
    device_id = envelope.device_id or rejection.device_id
    return f"{envelope.tenant}/{device_id}".encode() if envelope.tenant and device_id else None
