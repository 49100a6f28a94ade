"""The upgrade trial's other code: it reads the state of this code, adds its own, and is read back."""

import os
import subprocess
from pathlib import Path

import pytest

from bench.upgraded_code import FIELD, UpgradedCode, upgrade
from millrace.settings import ROOT
from udfs.device_state import Activity, DeviceEvent, Tick, decode_shard, encode_shard
from udfs.presence import advance

pytestmark = pytest.mark.sessions

OWNER = "demo/d1"
START_MS = 1_800_000_000_000
# Reads a shard from stdin, takes one more reading and a long silence, writes the shard to stdout.
GO_ON = f"""
import sys
from udfs.device_state import Activity, Tick, decode_shard, encode_shard
from udfs.presence import advance
shard = decode_shard(sys.stdin.buffer.read())
arrived = {START_MS} + 2_000
advance(shard, [Activity("{OWNER}", arrived, 3, arrived, arrived, 0, 0, *[None] * 6)], [], [], None)
changes = advance(shard, [], [], [], Tick(arrived + 600_000, arrived, 0))
[offline] = [change for change in changes if getattr(change, "type", "") == "offline"]
sys.stderr.write(offline.details["{FIELD}"])
sys.stdout.buffer.write(encode_shard(shard))
"""


def activity(arrived_ms: int) -> Activity:
    return Activity(OWNER, arrived_ms, 1, arrived_ms, arrived_ms, 0, 0, None, None, None, None, None, None)


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> UpgradedCode:
    return upgrade(tmp_path_factory.mktemp("upgraded code"))


def run(code: UpgradedCode, program: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    # From the checkout's own folder, where the cluster's workers are started.
    return subprocess.run(
        [code.python, "-c", program], input=given, cwd=ROOT, env=os.environ, capture_output=True, check=True
    )


def test_the_interpreter_of_the_copy_imports_the_copy(code: UpgradedCode) -> None:
    found = run(
        code, "import jobs, udfs.presence; print(udfs.presence.__file__, jobs.__file__)"
    ).stdout.decode()
    assert [Path(path).is_relative_to(code.folder) for path in found.rstrip().split(".py ")] == [True, True]


def test_new_code_goes_on_from_old_state_and_old_code_from_new_state(code: UpgradedCode) -> None:
    shard = decode_shard(None)
    advance(shard, [activity(START_MS), activity(START_MS + 1_000)], [], [], None)
    [session] = shard.devices[OWNER].sessions
    assert (session.start_ms, session.readings) == (START_MS, 2)

    done = run(code, GO_ON, encode_shard(shard))

    # Two readings came before the new field was there.
    assert done.stderr == b"3"
    back = decode_shard(done.stdout)
    [session] = back.devices[OWNER].sessions
    assert (session.start_ms, session.readings) == (START_MS, 5)
    assert back.devices[OWNER].state == "offline"
    assert not hasattr(back.devices[OWNER], FIELD)


def test_this_code_tells_no_count() -> None:
    shard = decode_shard(None)
    advance(shard, [activity(START_MS)], [], [], None)
    changes = advance(shard, [], [], [], Tick(START_MS + 600_000, START_MS, 0))
    events = [change for change in changes if isinstance(change, DeviceEvent)]
    assert [(event.type, FIELD in event.details) for event in events] == [("offline", False)]


def test_the_copy_runs_its_workers_with_its_own_interpreter(code: UpgradedCode) -> None:
    environment = (code.folder / "jobs" / "runtime" / "environment.py").read_text()
    assert f'"python.executable": "{code.python}"' in environment
