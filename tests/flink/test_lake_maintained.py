"""A stream whose table is joined and whose snapshots expire, while it writes and while it is down."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from pyiceberg.exceptions import NoSuchTableError

from catalog.lake import engine_properties, load_lake
from catalog.maintenance.compaction import Compacted, compact
from catalog.maintenance.expiry import Keeping, expire
from catalog.maintenance.plan import Policy
from catalog.maintenance.reach import Reach
from millrace.clock import now_ms
from millrace.settings import Settings
from tests.flink.lake_writer import FAILS_AT, ROWS, stored
from tests.flink.test_lake_sink import run
from tests.integration.own_services import own_services

pytestmark = [pytest.mark.flink, pytest.mark.lakehouse, pytest.mark.timeout(600)]

EAGER = Policy(fan=3, quiet_ms=10**15)
KEEP_NOTHING = Keeping(0, 0, 0)


@pytest.fixture
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with own_services(tmp_path_factory.mktemp("flinks"), "flinks", "postgres") as found:
        yield found


def maintain(config: Settings) -> Compacted:
    """Join what there is to join and expire all that may go."""
    done = Compacted()
    with closing(load_lake(config)) as lake, suppress(NoSuchTableError):
        table = lake.load_table("iot.numbers")
        done = compact(table, EAGER, now_ms())
        expire(table, KEEP_NOTHING, now_ms(), Reach())
    return done


def test_a_stream_that_comes_back_after_compaction_and_expiry_loses_and_doubles_nothing(
    config: Settings, tmp_path: Path
) -> None:
    (tmp_path / "catalog.json").write_text(json.dumps(engine_properties(config)))
    ended = threading.Event()
    joined = [Compacted()]

    def alongside() -> None:
        while not ended.wait(1.0):
            joined.append(maintain(config))

    beside = threading.Thread(target=alongside)
    beside.start()
    try:
        savepoint = run(str(tmp_path))
    finally:
        ended.set()
        beside.join()
    # Down for a while: everything that may be joined or expired is.
    for _ in range(3):
        joined.append(maintain(config))
    cut = stored(tmp_path)
    assert FAILS_AT < max(cut) < ROWS
    assert cut == list(range(1, max(cut) + 1))
    assert sum(one.files_before for one in joined) > 0
    run(str(tmp_path), savepoint)
    maintain(config)
    assert stored(tmp_path) == list(range(1, ROWS + 1))
