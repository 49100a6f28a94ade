"""What no committed file may hold, and what the documents must."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from millrace.settings import PREFIX, ROOT, Settings
from millrace.stack.discovery import services

pytestmark = pytest.mark.architecture

# An absolute path of one machine; `/home/you` in prose is none.
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:root|work|home/(?!you\b)\w+|Users/\w+)/\w")
SQL = re.compile(r"^\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE TABLE|ALTER TABLE)\s", re.MULTILINE)
# Single statements that are part of a protocol, not queries of the product.
SQL_ALLOWED = {"millrace/stack/probes.py", "millrace/services/postgres.py"}


def text_of(path: Path) -> str:
    return (ROOT / path).read_text(errors="replace")


def test_no_file_names_a_machine_path(tracked: list[Path]) -> None:
    found = [f"{path}: {hit[0]}" for path in tracked for hit in MACHINE_PATH.finditer(text_of(path))]
    assert not found


def test_the_lock_names_no_address_and_hashes_everything() -> None:
    lock = text_of(Path("requirements/core.txt"))
    assert "://" not in lock
    assert "--index" not in lock
    pinned = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)[1:]
    assert pinned
    assert not [entry.split()[0] for entry in pinned if "--hash=sha256:" not in entry]


def test_every_setting_has_a_row_in_the_readme() -> None:
    readme = text_of(Path("README.md"))
    assert not [name for name in _variables(Settings, PREFIX) if f"`{name}`" not in readme]


def test_the_readme_names_no_setting_that_does_not_exist() -> None:
    named = set(re.findall(rf"`({PREFIX}[A-Z0-9_]+)`", text_of(Path("README.md"))))
    assert named <= set(_variables(Settings, PREFIX))


def _variables(model: type[BaseModel], prefix: str) -> list[str]:
    names: list[str] = []
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names += _variables(kind, f"{variable}__")
        else:
            names.append(variable)
    return names


def test_every_service_is_in_the_readme() -> None:
    readme = text_of(Path("README.md"))
    assert not [name for name in services() if f"`{name}`" not in readme]


def test_product_sql_lives_in_sql_files(python_files: list[Path]) -> None:
    product = [path for path in python_files if path.parts[0] not in {"tests", "bench"}]
    found = [str(path) for path in product if re.search(rf'"""\s*{SQL.pattern[1:]}', text_of(path))]
    assert sorted(set(found) - SQL_ALLOWED) == []


def test_arrow_rows_are_put_together_by_the_schema_of_their_table_only(tracked: list[Path]) -> None:
    """`concat_tables` of files by several writers fails, or misreads; table_types.py is safe."""
    product = ("api", "catalog", "ingest", "jobs", "ml", "udfs")
    code = [path for path in tracked if path.suffix == ".py" and path.parts[0] in product]
    unsafe = re.compile(r"concat_tables|concat_batches|Table\.from_batches|unify_schemas")
    assert [str(path) for path in code if unsafe.search(text_of(path))] == ["catalog/table_types.py"]
