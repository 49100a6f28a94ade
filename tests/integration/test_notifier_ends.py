"""Whatever ends in the middle, PostgreSQL, a notifier: nothing is lost and what was sent is known."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest

from catalog.migrations import connect
from millrace.settings import ROOT, Settings
from tests.integration.notify_services import Outpost, Receiver, running
from tests.integration.own_services import until

pytestmark = [pytest.mark.integration, pytest.mark.alerts]
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with running(tmp_path_factory.mktemp("notices")) as config:
        yield config


@pytest.fixture
def post(services: Settings) -> Iterator[Outpost]:
    found = Outpost(services, f"tenant-{next(_numbers)}")
    yield found
    found.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


def test_what_was_sent_while_postgresql_was_away_is_written_down_later(
    post: Outpost, receiver: Receiver
) -> None:
    post.channel("ops", {"url": receiver.url("ops")})
    post.tells("ops")
    post.alert("raised", "pump-1")
    with post.notifier() as notifier:
        notifier.begin()
        notifier.connection.close()
        with pytest.raises(psycopg.OperationalError):
            notifier.collect(5)
        assert not notifier.work.is_idle
        with connect(post.config) as notifier.connection:
            notifier.connection.autocommit = True
            notifier.work.write_down(notifier.connection)
            post.late_s = 3600
            notifier.run()
    assert len(receiver.got("ops")) == 1
    assert post.notifications("state", "attempts") == [("sent", 1)]


def _process(post: Outpost) -> "subprocess.Popen[bytes]":
    environment = os.environ | post.config.environment()
    return subprocess.Popen([sys.executable, "-m", "api.notifier"], env=environment, cwd=ROOT)


def test_a_notifier_that_is_killed_loses_nothing(post: Outpost, receiver: Receiver) -> None:
    receiver.answers["ops"] = [0]
    post.channel("ops", {"url": receiver.url("ops")})
    post.tells("ops")
    for number in range(3):
        post.alert("raised", f"pump-{number}")
    process = _process(post)
    until(lambda: len(receiver.got("ops")) == 3)
    process.kill()
    process.wait()
    receiver.answers["ops"] = [200]
    with post.notifier() as notifier:
        notifier.run()
        assert len(receiver.got("ops")) == 3
        post.late_s = 121
        notifier.run()
    assert set(Counter(request.message_id for request in receiver.got("ops")).values()) == {2}
    assert post.notifications("state", "attempts") == [("sent", 2)] * 3


def test_a_notice_is_sent_within_a_second_and_a_notifier_told_to_stop_ends_what_it_began(
    post: Outpost, receiver: Receiver
) -> None:
    post.channel("ops", {"url": receiver.url("ops")})
    post.tells("ops")
    process = _process(post)
    try:
        post.alert("raised", "pump-1")
        until(lambda: post.notifications("state") == ["sent"])
        began_s = time.monotonic()
        post.alert("raised", "pump-2")
        until(lambda: len(receiver.got("ops")) == 2)
        took_s = time.monotonic() - began_s
        receiver.answers["ops"] = [0]
        post.alert("raised", "pump-3")
        until(lambda: len(receiver.got("ops")) == 3)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert process.poll() is None
        receiver.released.set()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    assert took_s < 1.0
    assert post.notifications("state") == ["sent", "sent", "failed"]
