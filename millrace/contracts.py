"""Loads the contracts in `schemas/`: topics, Avro schemas, example messages."""

import json
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from fastavro.schema import parse_schema
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from millrace.errors import MillraceError
from millrace.settings import ROOT

SCHEMAS = ROOT / "schemas"


class Topic(BaseModel):
    """One Kafka topic as its YAML file declares it; an unknown key is refused.

    `per_subtask`: each subtask of a job reads a partition of its own, so there are at least as many.
    `marked`: the clock's marks lie on every partition too, under a key that is nobody's: they say up to when
    a reader knows all changes, and tell its event time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9.-]*$")
    about: str
    owner: str
    avro_file: str = Field(alias="schema")
    key: Literal["tenant/device_id", "none"]
    partitions: int = Field(ge=1)
    per_subtask: bool = False
    marked: bool = False
    retention_hours: int = Field(ge=1)
    cleanup: Literal["delete", "compact"]
    dead_letter: str | None


@cache
def topics() -> dict[str, Topic]:
    """Return every declared topic by name; raise MillraceError naming the file that is wrong."""
    return {topic.name: topic for topic in map(_topic, sorted((SCHEMAS / "topics").glob("*.yaml")))}


def _topic(path: Path) -> Topic:
    try:
        topic = Topic.model_validate(yaml.safe_load(path.read_text()))
    except ValidationError as error:
        raise MillraceError(
            f"a topic file is wrong: {error}", where=str(path), mend="Correct the file."
        ) from None
    if topic.name != path.stem:
        raise MillraceError(
            f"topic {topic.name!r} lives in a file of another name", where=str(path), mend="Rename it."
        )
    return topic


@cache
def avro_schema(topic: str) -> Any:
    """Return the parsed Avro schema of a topic, ready for fastavro."""
    path = SCHEMAS / "avro" / topics()[topic].avro_file
    return parse_schema(json.loads(path.read_text()), named_schemas={})


def examples(topic: str, kind: Literal["valid", "invalid"]) -> list[Path]:
    """Return the example messages of a topic; an invalid one's stem is `reason` or `reason--note`."""
    return sorted((SCHEMAS / "examples" / topic / kind).glob("*.*"))
