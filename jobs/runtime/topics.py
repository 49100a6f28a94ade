"""Creates the declared Kafka topics (`python -m jobs.runtime.topics`)."""

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import TopicAlreadyExistsError

from millrace.contracts import Topic, topics
from millrace.settings import settings


def create_topics(bootstrap: str, subtasks: int = 1) -> list[str]:
    """Create what is missing, set the present ones as declared; return the names created now.

    `subtasks` is the parallelism of the jobs.
    """
    admin = KafkaAdminClient(bootstrap_servers=bootstrap, client_id="millrace-topics")
    try:
        present = set(admin.list_topics())
        missing = [topic for topic in topics().values() if topic.name not in present]
        if missing:
            admin.create_topics([_new_topic(topic, subtasks) for topic in missing])
        found = [topic for topic in topics().values() if topic.name in present]
        if found:
            admin.alter_configs([_settings_of(topic) for topic in found])
            _extend(admin, [topic.name for topic in found if topic.per_subtask], subtasks)
    except TopicAlreadyExistsError:
        missing = []
    finally:
        admin.close()
    return [topic.name for topic in missing]


def partitions_wanted(present: int, subtasks: int) -> int:
    """Return how many partitions a topic with one for each subtask should have.

    Flink deals out one by one the partitions it has not met; those it knows stay where its last state puts
    them, which after a change of parallelism may be anywhere. So where one is missing, all get a new one.
    """
    return present if present >= subtasks else present + subtasks


def _extend(admin: KafkaAdminClient, names: list[str], subtasks: int) -> None:
    present = {one["name"]: len(one["partitions"]) for one in admin.describe_topics(names)} if names else {}
    wanted = {name: partitions_wanted(count, subtasks) for name, count in present.items()}
    grown = {name: count for name, count in wanted.items() if count > present[name]}
    if grown:
        admin.create_partitions(grown)


def _new_topic(topic: Topic, subtasks: int) -> NewTopic:
    partitions = max(topic.partitions, subtasks) if topic.per_subtask else topic.partitions
    return NewTopic(
        topic.name, num_partitions=partitions, replication_factor=1, topic_configs=_configuration(topic)
    )


def _settings_of(topic: Topic) -> ConfigResource:
    return ConfigResource(ConfigResourceType.TOPIC, topic.name, _configuration(topic))


def _configuration(topic: Topic) -> dict[str, str]:
    """Log time is the broker's: presence is judged by it, and a sender's clock must not matter.

    A compacted topic keeps the newest of each key for good; only closed segments are compacted, so
    they close after the retention.
    """
    kept_ms = str(topic.retention_hours * 3_600_000)
    by_cleanup = {"delete": {"retention.ms": kept_ms}, "compact": {"segment.ms": kept_ms}}
    log_time = {"message.timestamp.type": "LogAppendTime"}
    return log_time | {"cleanup.policy": topic.cleanup} | by_cleanup[topic.cleanup]


def main() -> None:
    """Create the topics of this stack."""
    create_topics(settings().address("kafka"), settings().flink.parallelism)


if __name__ == "__main__":
    main()
