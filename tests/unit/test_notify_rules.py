"""Signatures, back-off, circuit and addresses: what the notifier decides without a network."""

import base64
import hashlib
import hmac

import pytest

from millrace.errors import MillraceError
from udfs.notify.addresses import is_public, refusal
from udfs.notify.backoff import MOST_ATTEMPTS, is_last, retry_delay_s
from udfs.notify.circuit import TOLERATED, Circuit
from udfs.notify.signing import is_genuine, secret_key, signed_headers

pytestmark = pytest.mark.alerts

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NOW_S = 1_767_225_600
BODY = b'{"type":"alert.raised"}'


def test_a_signature_is_the_one_of_the_specification() -> None:
    signed = signed_headers(SECRET, "notification-7", NOW_S, BODY)
    own = hmac.new(bytes(range(32)), b"notification-7.1767225600." + BODY, hashlib.sha256).digest()
    assert signed["webhook-signature"] == "v1," + base64.b64encode(own).decode()
    assert (signed["webhook-id"], signed["webhook-timestamp"]) == ("notification-7", "1767225600")


def test_the_published_example_of_standard_webhooks_is_reproduced() -> None:
    headers = signed_headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


TAMPERED = [
    ({}, BODY, NOW_S, True),
    ({}, BODY, NOW_S + 300, True),
    ({}, BODY, NOW_S + 301, False),
    ({}, BODY, NOW_S - 301, False),
    ({}, BODY + b" ", NOW_S, False),
    ({"webhook-id": "notification-8"}, BODY, NOW_S, False),
    ({"webhook-timestamp": str(NOW_S + 1)}, BODY, NOW_S, False),
    ({"webhook-timestamp": "now"}, BODY, NOW_S, False),
    ({"webhook-signature": ""}, BODY, NOW_S, False),
    ({"webhook-signature": "v1,AAAA"}, BODY, NOW_S, False),
]


@pytest.mark.parametrize(("changed", "body", "now_s", "genuine"), TAMPERED)
def test_a_message_that_was_changed_or_is_old_is_not_genuine(
    changed: dict[str, str], body: bytes, now_s: int, genuine: bool
) -> None:
    headers = signed_headers(SECRET, "notification-7", NOW_S, BODY) | changed
    assert is_genuine(SECRET, headers, body, now_s) is genuine


def test_one_of_several_signatures_is_enough_while_a_secret_is_changed() -> None:
    headers = signed_headers(SECRET, "m", NOW_S, BODY)
    headers["webhook-signature"] = "v1,AAAA " + headers["webhook-signature"]
    assert is_genuine(SECRET, headers, BODY, NOW_S)


@pytest.mark.parametrize("secret", ["", "hunter2", "whsec_", "whsec_!!!", "whsec_c2hvcnQ=", SECRET[6:]])
def test_a_weak_secret_is_refused_without_being_named(secret: str) -> None:
    with pytest.raises(MillraceError) as refused:
        secret_key(secret)
    assert "c2hvcnQ" not in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_pauses_double_up_to_an_hour_and_are_spread() -> None:
    delays_s = [retry_delay_s(1, attempt) for attempt in range(1, MOST_ATTEMPTS)]
    longest_s = [min(3600.0, 5.0 * 2**place) for place in range(MOST_ATTEMPTS - 1)]
    pairs = list(zip(delays_s, longest_s, strict=True))
    assert all(most / 2 <= delay <= most for delay, most in pairs)
    together = [retry_delay_s(number, 5) for number in range(200)]
    assert max(together) - min(together) > 30
    assert retry_delay_s(7, 3) == retry_delay_s(7, 3)


@pytest.mark.parametrize(
    ("asked_s", "least_s", "most_s"), [(None, 2.5, 5), (60, 60, 60), (999_999, 3600, 3600)]
)
def test_a_receiver_may_ask_for_a_longer_pause(asked_s: float | None, least_s: float, most_s: float) -> None:
    assert least_s <= retry_delay_s(1, 1, asked_s) <= most_s


def test_a_delivery_is_given_up_after_twelve_attempts_and_hours() -> None:
    assert [is_last(attempt) for attempt in (1, 11, 12, 13)] == [False, False, True, True]
    assert 3600 < sum(retry_delay_s(3, attempt) for attempt in range(1, MOST_ATTEMPTS)) < 6 * 3600


def test_a_channel_that_fails_is_left_alone_then_tried_once() -> None:
    circuit = Circuit()
    for now_ms in range(1, TOLERATED):
        circuit = circuit.failed(now_ms)
        assert circuit.room(now_ms, 1, 4) == 3
    circuit = circuit.failed(1_000)
    assert circuit.room(1_001, 0, 4) == 0
    assert circuit.room(30_999, 0, 4) == 0
    assert circuit.room(31_000, 0, 4) == 1
    assert circuit.room(31_000, 1, 4) == 0


def test_pauses_of_a_channel_double_up_to_ten_minutes() -> None:
    circuit, pauses_ms = Circuit(), []
    for _ in range(12):
        circuit = circuit.failed(0)
        pauses_ms.append(circuit.open_until_ms)
    assert pauses_ms[:4] == [0] * 4
    assert pauses_ms[4:10] == [30_000, 60_000, 120_000, 240_000, 480_000, 600_000]
    assert pauses_ms[-1] == 600_000


ADDRESSES = [
    ("93.184.216.34", True),
    ("2606:2800:220:1::1", True),
    ("::ffff:93.184.216.34", True),
    ("64:ff9b::5db8:d822", True),
    ("127.0.0.1", False),
    ("127.9.9.9", False),
    ("0.0.0.0", False),
    ("10.1.2.3", False),
    ("172.16.0.1", False),
    ("172.31.255.255", False),
    ("192.168.1.1", False),
    ("169.254.169.254", False),
    ("100.64.0.1", False),
    ("198.18.0.1", False),
    ("192.0.2.1", False),
    ("224.0.0.1", False),
    ("239.1.1.1", False),
    ("240.0.0.1", False),
    ("255.255.255.255", False),
    ("::", False),
    ("::1", False),
    ("fe80::1%eth0", False),
    ("fec0::1", False),
    ("fd00::1", False),
    ("ff02::1", False),
    ("2001:db8::1", False),
    ("::ffff:127.0.0.1", False),
    ("::ffff:169.254.169.254", False),
    ("::127.0.0.1", False),
    ("64:ff9b::7f00:1", False),
    ("64:ff9b:1::a00:1", False),
    ("2002:7f00:1::", False),
    ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
]


@pytest.mark.parametrize(("address", "public"), ADDRESSES)
def test_only_the_public_internet_is_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("addresses", "private_allowed", "refused"),
    [
        (["93.184.216.34"], False, False),
        (["93.184.216.34", "10.0.0.1"], False, True),
        (["10.0.0.1"], True, False),
        (["127.0.0.1", "::1"], True, False),
        ([], True, True),
    ],
)
def test_one_address_inside_is_enough_to_refuse_a_host(
    addresses: list[str], private_allowed: bool, refused: bool
) -> None:
    assert (refusal(addresses, private_allowed) is not None) is refused
