"""What is kept of a device between its readings: one msgpack blob.

Structs are written as arrays: a field added later goes to the end and has a default, so that older blobs
still decode. A threshold takes about 60 bytes, a deviation of 14 days up to 17 kB, a pending reading what it
measures.
"""

import msgspec

from udfs.rules.alerts import Alert
from udfs.rules.evaluator import State
from udfs.rules.reading import RuleReading


class Run(msgspec.Struct, array_like=True):
    """One rule on one device.

    `base` is its state at the watermark, `head` that after all pending readings (None = the same).
    `open` is the alert open at the watermark, `told` what was told of alerts that are open or may change.
    Readings up to `since_ms` are not its own: an older version had them. `form` and `subject` are
    fingerprints of the condition, by which an edit shows what of the state is still good.
    """

    version: int
    shadow: bool
    form: int
    subject: int
    base: State
    head: State | None = None
    last_ms: int = 0
    since_ms: int | None = None
    open: Alert | None = None
    told: list[Alert] = []


class DeviceState(msgspec.Struct, array_like=True):
    """All rules of a device, and its readings after the watermark in order."""

    watermark_ms: int = -(2**62)
    pending: list[RuleReading] = []
    runs: dict[str, Run] = {}


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(DeviceState)


def decode_device(data: bytes | None) -> DeviceState:
    """Read a device's state; None is a device that never had any.

    Raises msgspec.DecodeError when the bytes are no state.
    """
    return DeviceState() if data is None else _decoder.decode(data)


def encode_device(state: DeviceState) -> bytes:
    """Write a device's state."""
    return _encoder.encode(state)
