"""Counts with their noun, the nearest name, and text that cannot steer a terminal."""

import ast
import re
from pathlib import Path

import pytest

from millrace.phrases import counted, figure_text, harmless, known_names
from millrace.settings import ROOT
from udfs.notify.quantities import figure
from udfs.notify.sentences import sentence

PRODUCT = ("api", "catalog", "ingest", "jobs", "millrace", "ml", "udfs")
NOUNS = (
    "alert|attempt|batch|channel|check|column|device|error|event|example|failure|file|gap|hour|job|letter|line"
    "|message|metric|minute|notification|offset|partition|point|process|profile|reading|record|request|rollup|row"
    "|rule|service|session|site|snapshot|table|time|topic|value|version|window"
)
# As in {count} more rows; a constant in capitals is a limit above one, and readings/s is a unit.
NUMBER = re.compile(rf"{{([^{{}}]*)}} (?:more |new |dead |other |late )?(?:{NOUNS})e?s\b(?!/s)")
# Counts that are above one wherever the text is used.
ABOVE_ONE = {
    "api/routes/data.py: {len(named)} devices",
    "ingest/gateway/diagnose.py: {len(metrics)} metrics",
    "udfs/explain_words.py: {before_h} hours",
    "udfs/notify/sentences.py: {figure(times)} times",
    "udfs/notify/wording.py: {max(notice.count, devices)} alerts",
    "udfs/notify/wording.py: {notice.count} alerts",
}


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 readings"), (1, "1 reading"), (2, "2 readings"), (1_200_000, "1,200,000 readings")],
)
def test_a_count_has_its_noun_in_the_right_number(count: int, said: str) -> None:
    assert counted(count, "reading") == said


def test_a_plural_that_is_not_the_usual_is_given() -> None:
    assert [counted(count, "process", "processes") for count in (1, 3)] == ["1 process", "3 processes"]


def _numbers_before_nouns(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    texts = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    found = [hit for text in texts for hit in NUMBER.finditer(text)]
    limits = re.compile(r"[A-Za-z.]*_?[A-Z_]{3,}(:.*)?|most\w*|limit\w*")
    return {f"{path.relative_to(ROOT)}: {hit[0]}" for hit in found if not limits.fullmatch(hit[1])}


def test_no_text_of_the_product_puts_a_bare_number_before_a_plural() -> None:
    files = [path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py")]
    assert set().union(*map(_numbers_before_nouns, files)) <= ABOVE_ONE


def test_a_rule_that_fired_after_one_reading_says_once() -> None:
    evidence = {"metric": "t", "limit": 90, "times": 1, "within_s": 60}
    assert sentence({"kind": "count_in_window", "above": 90}, evidence) == "t was above 90 once within 1 min"
    assert "2 times" in sentence({"kind": "count_in_window", "above": 90}, evidence | {"times": 2})


def test_a_name_that_does_not_exist_is_answered_with_the_nearest_and_all_others() -> None:
    known = ("kafka", "keeper", "redis")
    assert known_names("KAFAK", known) == "Did you mean kafka? There are: kafka, keeper, redis."
    assert known_names("xyz", known) == "There are: kafka, keeper, redis."
    assert known_names("xyz", ()) == "There are none."


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1_234_567_890_123, "1234567890123"),
        (1_234_567_890_123.5, "1234567890123.5"),
        (96.4, "96.4"),
        (0.1 + 0.2, "0.3"),
        (-5.0, "-5"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (1e300, "1e+300"),
    ],
)
def test_a_figure_keeps_all_its_digits(value: float, said: str) -> None:
    assert figure_text(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(1_234_567_890_123, "1234567890123"), (96.4321987, "96.4322"), (1_000_000.5, "1000000.5"), ("x", "x")],
)
def test_a_figure_in_a_message_is_short_but_its_whole_part_is_whole(value: object, said: str) -> None:
    assert figure(value) == said


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("a\x1b[2Jb", "a\ufffd[2Jb"),
        ("a\nb\tc\r\nd", "a b c d"),
        ("left\u202eright", "left\ufffdright"),
        ("half\ud800", "half\ufffd"),
        ("温度计 ü \u00a0", "温度计 ü \u00a0"),
        ("👩\u200d🔧", "👩\u200d🔧"),
    ],
)
def test_what_could_steer_a_terminal_is_replaced(sent: str, shown: str) -> None:
    assert harmless(sent) == shown
