"""Topics hang together: schema, dead letters, keys, and a name for every field."""

import json

import pytest

from ingest.gateway import dead_letter, intake
from millrace.contracts import SCHEMAS, Topic, avro_schema, topics

pytestmark = [pytest.mark.contract, pytest.mark.gateway]

ALL = [pytest.param(topic, id=name) for name, topic in topics().items()]
KEYED = [pytest.param(topic, id=name) for name, topic in topics().items() if topic.key != "none"]


@pytest.mark.parametrize("topic", ALL)
def test_a_topic_has_a_schema_that_parses(topic: Topic) -> None:
    assert avro_schema(topic.name)["type"] == "record"


@pytest.mark.parametrize("topic", ALL)
def test_a_dead_letter_topic_is_itself_a_topic_without_one(topic: Topic) -> None:
    if topic.dead_letter is not None:
        assert topics()[topic.dead_letter].dead_letter is None


@pytest.mark.parametrize("topic", KEYED)
def test_a_keyed_topic_carries_what_its_key_is_made_of(topic: Topic) -> None:
    assert {"tenant", "device_id"} <= {field["name"] for field in avro_schema(topic.name)["fields"]}


def test_the_gateway_writes_declared_topics_only() -> None:
    assert topics()[intake.TELEMETRY].dead_letter == dead_letter.TOPIC


def test_clock_marks_have_the_fields_of_readings_so_that_one_source_reads_both() -> None:
    def shape(file: str) -> list[tuple[str, str]]:
        fields = json.loads((SCHEMAS / "avro" / file).read_text().replace("ClockLocation", "Location"))
        return [(field["name"], json.dumps(field["type"])) for field in fields["fields"]]

    assert shape("telemetry.avsc") == shape("telemetry.clock.avsc")


def test_no_schema_and_no_example_folder_is_without_a_topic() -> None:
    declared = {topic.avro_file for topic in topics().values()}
    assert {path.name for path in (SCHEMAS / "avro").iterdir()} == declared
    assert {path.name for path in (SCHEMAS / "examples").iterdir()} == set(topics())
