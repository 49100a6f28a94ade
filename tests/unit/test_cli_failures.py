"""What the command line says when something is wrong: one message, never a traceback."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from millrace.errors import MillraceError
from millrace.failures import explained, keep
from millrace.settings import ROOT

LOG = Path("cli.log")


def environment(home: Path) -> dict[str, str]:
    """Return that of a stack that was never started, on ports nobody has."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
    return kept | {"MILLRACE_HOME": str(home), "MILLRACE_STACK": "nobody", "MILLRACE_PORT_OFFSET": "29000"}


def millrace(home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "millrace.cli", *words],
        cwd=ROOT,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("profiles", "list"), "PostgreSQL does not answer"),
        (("channels", "allow", "ops"), "PostgreSQL does not answer"),
        (("devices", "list"), "the API does not answer"),
        (("up", "kafak"), "Did you mean kafka?"),
        (("alerts", "snooze", "0123"), "Give one of --for, --until and --end"),
        (("channels", "allow", "Ops!"), "no name of a channel"),
        (("data", "a\udcff"), "the argument 'a\\udcff' is no UTF-8 text"),
    ],
)
def test_what_is_wrong_is_one_message_with_advice(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    result = millrace(tmp_path, *words)
    assert result.returncode == 1
    assert said in result.stderr
    assert result.stderr.startswith("✗ ")
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.stderr + result.stdout


def test_a_wrong_choice_is_answered_with_the_choices_and_no_words_of_a_parser(tmp_path: Path) -> None:
    result = millrace(tmp_path, "recompute", "rollup", "--devices", "a", "--from", "1", "--to", "2")
    assert result.returncode == 2
    assert "'rollup' is not one of" in result.stderr
    assert "Value error" not in result.stderr


def test_an_unknown_command_is_answered_with_the_nearest(tmp_path: Path) -> None:
    result = millrace(tmp_path, "staus")
    assert result.returncode == 2
    assert "Did you mean 'status'?" in result.stderr


def test_an_error_is_json_where_json_was_asked_for(tmp_path: Path) -> None:
    result = millrace(tmp_path, "profiles", "list", "--json")
    error = json.loads(result.stderr)["error"]
    assert "PostgreSQL does not answer" in error["what"]
    assert error["mend"]


def test_logs_without_a_name_lists_the_services(tmp_path: Path) -> None:
    result = millrace(tmp_path, "logs")
    assert result.returncode == 0
    assert {"kafka", "api", "notifier"} <= {line.split()[0] for line in result.stdout.splitlines()}


def test_the_end_of_a_pipe_is_no_error(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "millrace.cli", "logs"],
        cwd=ROOT,
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(60) in {1, 141}


def test_ctrl_c_ends_a_command_without_a_traceback(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "millrace.cli", "tour", "--seconds", "60"],
        cwd=ROOT,
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell may have this test ignore what a person's terminal sends.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    # It is at work once it has asked the ledger.
    until_s = time.monotonic() + 60
    while not psutil.Process(process.pid).children() and time.monotonic() < until_s:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said


def test_an_error_nobody_expected_is_kept_whole_in_a_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "cli.log"
    with pytest.raises(KeyError) as found:
        raise KeyError("shard")
    keep(found.value, log)
    shown = explained(found.value, log)
    assert shown.what == "an error nobody expected: KeyError: 'shard'"
    assert shown.where == str(log)
    assert "Traceback" in log.read_text()


class OperationalError(Exception):
    """One as drivers raise it."""


OperationalError.__module__ = "psycopg"


def test_a_service_that_does_not_answer_is_named_however_deep_its_error_lies() -> None:
    broken = RuntimeError("no rows")
    broken.__cause__ = OperationalError("connection refused\nIs the server running?")
    shown = explained(broken, LOG)
    assert shown.what == "PostgreSQL does not answer: connection refused"
    assert "millrace up" in shown.mend


def test_a_path_that_cannot_be_used_is_named() -> None:
    shown: MillraceError = explained(PermissionError(13, "Permission denied", "/srv/lake"), LOG)
    assert (shown.what, shown.where) == ("that cannot be done: Permission denied", "/srv/lake")
