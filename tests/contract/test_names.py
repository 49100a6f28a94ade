"""Names that stored data depends on change only on purpose: `names.yaml` beside this file lists them.

Names of operators are compared in `tests/flink/test_plan.py`, which plans the jobs.
"""

import re
from typing import Any

import pytest
import yaml

from catalog.ddl import read_table, table_files
from jobs.runtime.discovery import FOLDER, find_jobs
from millrace.contracts import SCHEMAS, topics
from millrace.settings import ROOT

pytestmark = [pytest.mark.contract, pytest.mark.stream]

PINNED: dict[str, Any] = yaml.safe_load((ROOT / "tests/contract/names.yaml").read_text())
STATE = re.compile(r'StateDescriptor\(\s*"([^"]+)"')


def test_topics_are_those_that_are_pinned() -> None:
    assert sorted(topics()) == PINNED["topics"]


def test_tables_are_those_that_are_pinned() -> None:
    assert sorted(".".join(read_table(path).name) for path in table_files()) == PINNED["tables"]


def test_redis_keys_are_those_that_are_pinned() -> None:
    keyspace = yaml.safe_load((SCHEMAS / "redis" / "keyspace.yaml").read_text())
    assert sorted(keyspace["keys"]) == PINNED["redis_keys"]


def test_flink_states_are_those_that_are_pinned() -> None:
    files = {path.stem: sorted(STATE.findall(path.read_text())) for path in sorted(FOLDER.glob("*.py"))}
    assert {name: states for name, states in files.items() if states} == PINNED["flink_states"]


def test_every_job_has_its_operators_pinned() -> None:
    assert {job.name for job in find_jobs()} == PINNED["operators"].keys()
