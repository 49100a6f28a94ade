"""Schemathesis asks every operation of the API, for a tenant of its own on real services.

/health alone is left out: it must say 503 here, where most of the stack does not run.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from millrace.settings import Settings
from millrace.stack.discovery import services
from tests.integration.alert_services import add_tenant
from tests.integration.own_services import end, own_services, start, until

pytestmark = [pytest.mark.integration, pytest.mark.web, pytest.mark.timeout(600)]

TENANT = "fuzzed"
CONFIG = f"""
seed = 14
workers = 2
max-failures = 50
[parameters]
"query.tenant" = "{TENANT}"
[phases.stateful]
enabled = false
[generation]
max-examples = 8
[reports]
directory = "REPORTS"
"""
# That a valid form is accepted is no check: rules, ranges and names must also make sense together.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,allow_header_conformance,unsupported_method"
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("fuzzed")
    with own_services(home, "fuzzed", "postgres", "redis", "kafka") as config:
        assert start(config, "tables").wait(120) == 0
        add_tenant(config, TENANT)
        process = start(config, "api")
        try:
            until(lambda: services()["api"].ready(config))
            yield config
        finally:
            end(process)


def test_no_operation_answers_with_an_error_of_ours_or_beside_the_contract(
    served: Settings, tmp_path: Path
) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.replace("REPORTS", str(tmp_path)))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
    address = f"http://{served.address('api')}/openapi.json"
    phases = [
        "--phases",
        "examples,coverage,fuzzing",
        "--checks",
        CHECKS,
        "--exclude-path",
        "/health",
        "--no-color",
    ]
    run = subprocess.run(
        [*command, address, *phases], cwd=tmp_path, capture_output=True, text=True, timeout=500, check=False
    )
    log = (served.home / "api.log").read_text()
    assert run.returncode == 0, (
        f"{run.stdout[run.stdout.find('= FAILURES') :]}\n{run.stderr[-2_000:]}\n{log[-4_000:]}"
    )
    operations = re.search(r"Tested: (\d+)", run.stdout)
    cases = re.search(r"(\d+) generated", run.stdout)
    assert operations is not None
    assert cases is not None
    print(f"Schemathesis: {operations[1]} operations, {cases[1]} cases, 0 failures")
    assert int(operations[1]) >= 60
    assert int(cases[1]) > 3_000
