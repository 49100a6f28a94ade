"""Creates the declared Kafka topics (`python -m jobs.runtime.topics`)."""

from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import TopicAlreadyExistsError

from millrace.contracts import Topic, topics
from millrace.settings import settings


def create_topics(bootstrap: str) -> list[str]:
    """Create what is missing; return the names created now."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap, client_id="millrace-topics")
    try:
        present = set(admin.list_topics())
        missing = [topic for topic in topics().values() if topic.name not in present]
        if missing:
            admin.create_topics([_new_topic(topic) for topic in missing])
    except TopicAlreadyExistsError:
        missing = []
    finally:
        admin.close()
    return [topic.name for topic in missing]


def _new_topic(topic: Topic) -> NewTopic:
    return NewTopic(
        topic.name,
        num_partitions=topic.partitions,
        replication_factor=1,
        topic_configs={
            "cleanup.policy": topic.cleanup,
            "retention.ms": str(topic.retention_hours * 3_600_000),
        },
    )


def main() -> None:
    """Create the topics of this stack."""
    create_topics(settings().address("kafka"))


if __name__ == "__main__":
    main()
