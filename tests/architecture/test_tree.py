"""The folders are the ones ARCHITECTURE.md speaks of, and files are small and plainly named."""

import ast
import re
from pathlib import Path

import pytest

from millrace.settings import ROOT

pytestmark = pytest.mark.architecture

MOST_LINES = 400
MOST_FUNCTION_LINES = 60
VAGUE = re.compile(r"^(utils?|helpers?|common|misc|managers?)$")
# Tool folders that hold no architecture.
HIDDEN = {".ci", ".github", ".devcontainer"}


def test_every_folder_has_a_row_in_the_architecture_and_every_row_a_folder(tracked: list[Path]) -> None:
    page = ROOT / "ARCHITECTURE.md"
    assert page.exists()
    rows = set(re.findall(r"^\| `([a-z-]+)/` \|", page.read_text(), re.MULTILINE))
    folders = {path.parts[0] for path in tracked if len(path.parts) > 1} - HIDDEN
    assert rows == folders


def test_files_stay_small(tracked: list[Path]) -> None:
    code = [path for path in tracked if path.suffix in {".py", ".sql", ".sh"}]
    long = {str(path): lines for path in code if (lines := _lines(path)) > MOST_LINES}
    assert not long


def _lines(path: Path) -> int:
    return len((ROOT / path).read_text().splitlines())


def test_functions_stay_short(python_files: list[Path]) -> None:
    long = [
        f"{path}:{node.lineno} {node.name}"
        for path in python_files
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _length(node) > MOST_FUNCTION_LINES
    ]
    assert not long


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


def test_names_say_what_is_inside(tracked: list[Path]) -> None:
    parts = {(part.split(".")[0], str(path)) for path in tracked for part in path.parts}
    assert not [path for name, path in parts if VAGUE.match(name)]


def test_package_files_hold_a_docstring_and_nothing_else(python_files: list[Path]) -> None:
    bodies = {str(path): _tree(path).body for path in python_files if path.name == "__init__.py"}
    assert bodies
    assert not [name for name, body in bodies.items() if len(body) != 1 or not _is_text(body[0])]


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
