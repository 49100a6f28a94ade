"""Kafka: broker and controller in one process (KRaft), run from its jars."""

import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from millrace.errors import MillraceError
from millrace.settings import Settings
from millrace.stack.places import class_archive, java
from millrace.stack.probes import kafka_answers
from millrace.stack.service import Service

_LOGGING = """\
<Configuration status="WARN">
  <Appenders>
    <Console name="console"><PatternLayout pattern="%d{ISO8601} %p %c{1} - %m%n"/></Console>
  </Appenders>
  <Loggers>
    <Logger name="org.apache.kafka.common.config" level="WARN"/>
    <Logger name="kafka.server.KafkaConfig" level="WARN"/>
    <Root level="INFO"><AppenderRef ref="console"/></Root>
  </Loggers>
</Configuration>
"""

# What runs for a second is over before the better compiler and collector pay off.
_SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


def properties(settings: Settings) -> dict[str, str | int]:
    """Return the broker's configuration: one node, nothing created by accident."""
    controller = settings.address("kafka_controller")
    # Clients are told to come back to this address; "every interface" is none.
    reachable = "127.0.0.1" if settings.bind_host == "0.0.0.0" else settings.bind_host
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{controller}",
        "listeners": f"BROKER://{settings.address('kafka')},CONTROLLER://{controller}",
        "advertised.listeners": f"BROKER://{reachable}:{settings.port('kafka')}",
        "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "BROKER",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(_folder(settings) / "data"),
        "auto.create.topics.enable": "false",
        "num.network.threads": 3,
        "num.io.threads": 4,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 8,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 8,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        # Flink's Kafka sink holds transactions across checkpoints and restarts.
        "transaction.max.timeout.ms": 3_600_000,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    }


def _folder(settings: Settings) -> Path:
    return settings.folder / "kafka"


def _prepare(settings: Settings) -> None:
    folder = _folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{key}={value}" for key, value in properties(settings).items()]
    (folder / "server.properties").write_text("\n".join(lines) + "\n")
    (folder / "log4j2.xml").write_text(_LOGGING)
    if not (folder / "data" / "meta.properties").exists():
        _format(settings)


def cluster_id(identity: uuid.UUID) -> str:
    """Return Kafka's spelling of an identity: 22 characters of base64url.

    A leading dash would be read as an option by the storage tool (Kafka's own `Uuid.randomUuid`
    avoids it too), so an identity spelled that way gets a letter there.
    """
    text = urlsafe_b64encode(identity.bytes).decode().rstrip("=")
    return f"A{text[1:]}" if text.startswith("-") else text


def _format(settings: Settings) -> None:
    identity = cluster_id(uuid.uuid4())
    config = str(_folder(settings) / "server.properties")
    launcher, *rest = _java(settings)
    options = [*_SHORT_LIVED, *class_archive(settings, "kafka", may_write=False), *rest]
    command = [launcher, *options, "kafka.tools.StorageTool", "format", "-t", identity, "-c", config]
    result = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if result.returncode:
        raise MillraceError(
            f"Kafka's storage could not be formatted: {result.stderr.strip()[-500:]}",
            where=str(_folder(settings)),
            mend="`millrace down --wipe` starts afresh.",
        )


def _java(settings: Settings) -> list[str]:
    logging = f"-Dlog4j2.configurationFile={_folder(settings) / 'log4j2.xml'}"
    return [java(), logging, "-cp", str(settings.jars / "kafka" / "*")]


def _command(settings: Settings) -> list[str]:
    memory = ["-Xms256m", f"-Xmx{settings.kafka.heap}", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"]
    launcher, *rest = _java(settings)
    options = [*memory, *class_archive(settings, "kafka"), *rest]
    return [launcher, *options, "kafka.Kafka", str(_folder(settings) / "server.properties")]


SERVICE = Service(
    name="kafka",
    about="Kafka broker",
    command=_command,
    prepare=_prepare,
    ready=kafka_answers,
    ports=("kafka", "kafka_controller"),
    scheme="kafka",
    stop_wait_s=30,
)
