"""Registry files: YAML in, YAML out, with errors that name the place in the file."""

from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from catalog.registry_entries import RegistryFile
from millrace.documents import read_yaml
from millrace.errors import MillraceError
from millrace.known_keys import in_words
from millrace.strict_json import UnstorableError, check_storable

_MEND = "Correct the file; `millrace devices export` shows the form."


def read_file(path: Path) -> RegistryFile:
    """Read a registry file; MillraceError naming every entry that is wrong."""
    try:
        given = read_yaml(path) or {}
        check_storable(given)
        return RegistryFile.model_validate(given)
    except RecursionError:
        raise MillraceError("the file is nested too deeply", where=str(path), mend=_MEND) from None
    except UnstorableError as error:
        raise MillraceError(f"the file is wrong: {error}", where=str(path), mend=_MEND) from None
    except ValidationError as error:
        as_read = {"devices": given} if isinstance(given, list) else given
        wrong = in_words(error.errors(), RegistryFile.model_json_schema(), as_read)
        said = "; ".join(f"{entry.place}: {entry.what}".removeprefix(": ") for entry in wrong)
        raise MillraceError(f"the file is wrong: {said}", where=str(path), mend=_MEND) from None


def to_yaml(registry: dict[str, list[dict[str, Any]]]) -> str:
    """Write what `export_file` returned; empty parts are left out."""
    parts = {name: [_plain(row) for row in rows] for name, rows in registry.items() if rows}
    return yaml.safe_dump(parts, sort_keys=False, allow_unicode=True, width=110) if parts else "devices: []\n"


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: v.isoformat() if isinstance(v, datetime) else v for name, v in row.items()}
