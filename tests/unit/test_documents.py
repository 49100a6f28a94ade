"""Files that people give to commands: wrong bytes are one sentence that names file and line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.aws_commands import _read as read_aws_model
from api.channel_commands import _read as read_channels
from api.dead_letter_commands import _read as read_body
from api.rule_commands import read_places
from catalog.quality.suite import read_suite
from catalog.registry_file import read_file
from ingest.replay.mapping import load_mapping
from millrace.documents import read_json, read_text, read_yaml
from millrace.errors import MillraceError

pytestmark = pytest.mark.contract

READERS: dict[str, Callable[[Path], Any]] = {
    "devices import": read_file,
    "rules import": lambda path: read_places([path]),
    "rules import-aws": read_aws_model,
    "dead-letters replay --body": read_body,
    "channels put": read_channels,
    "a mapping": lambda path: load_mapping(str(path)),
    "a quality suite": read_suite,
}
BAD = {
    "cp1252": ("# one\n# Wärme\na: b\n".encode("cp1252"), ", line 2"),
    "binary": (b"\x89PNG\r\n\x1a\n\0\0", ", line 1"),
    "a control character": (b"a: b\nc: d\x07\n", ", line "),
    "neither YAML nor JSON": (b"a: b\n- [c\n", ", line "),
    "a key twice": (b'{"a": 1,\n "a": 2}', ""),
    "nested without end": (b"[" * 5_000, ""),
    "a date that never was": (b"a: 2025-02-30\n", ""),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", BAD)
def test_every_command_says_of_wrong_bytes_which_file_and_line(
    tmp_path: Path, reader: str, kind: str
) -> None:
    content, line = BAD[kind]
    path = tmp_path / "given.yaml"
    path.write_bytes(content)
    with pytest.raises(MillraceError) as raised:
        READERS[reader](path)
    assert f"{path}{line}" in raised.value.where
    assert "Traceback" not in str(raised.value)


@pytest.mark.parametrize("reader", [name for name in READERS if name != "a mapping"])
def test_every_command_says_that_a_file_is_not_there(tmp_path: Path, reader: str) -> None:
    with pytest.raises(MillraceError, match="the file cannot be read: No such file"):
        READERS[reader](tmp_path / "none.yaml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(MillraceError, match="Is a directory"):
        read_text(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_of_every_kind_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a"
    path.write_text('{"Wärme": 1}', encoding=encoding)
    assert read_yaml(path) == read_json(path) == {"Wärme": 1}


def test_a_yaml_error_is_said_without_the_parsers_own_marks(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("a: b\na: c\n")
    with pytest.raises(MillraceError) as raised:
        read_yaml(path)
    assert (raised.value.what, raised.value.where) == ("no YAML: the key 'a' stands twice", f"{path}, line 2")
