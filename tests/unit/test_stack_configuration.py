"""The configuration the runner writes: loopback, closed, and what the settings say."""

import configparser
import shlex
import stat
import uuid
from pathlib import Path

import pytest
from paho.mqtt.client import topic_matches_sub
from pydantic import SecretStr
from supervisor.options import ServerOptions

from jobs.runtime.discovery import find_jobs
from millrace.errors import MillraceError
from millrace.secrets import Secrets, load_secrets
from millrace.services import kafka, mosquitto, postgres, redis
from millrace.settings import Settings
from millrace.stack import flink
from millrace.stack.accounts import private_file
from millrace.stack.places import log_file, supervisor_socket
from millrace.stack.service import Service
from millrace.stack.supervision import configuration

pytestmark = pytest.mark.stack


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, port_offset=7, stack="unit")


def test_the_supervisor_reads_back_the_very_command_and_variables(settings: Settings) -> None:
    odd = Service(
        name="odd",
        about="odd",
        command=lambda _: ["/bin/echo", 'with "quotes"', "100%", "two words"],
        environment=lambda _: {"ODD": 'a "b" 5%, c'},
    )
    log_file(settings, "odd").parent.mkdir(parents=True)
    path = settings.home / "conf"
    path.write_text(configuration(settings, [odd]))
    options = ServerOptions()
    options.realize(args=["-c", str(path)])
    (program,) = options.process_group_configs[0].process_configs
    assert shlex.split(program.command) == ["/bin/echo", 'with "quotes"', "100%", "two words"]
    assert program.environment["ODD"] == 'a "b" 5%, c'
    assert program.environment["MILLRACE_STACK"] == "unit"
    assert program.stdout_logfile == str(log_file(settings, "odd"))


def test_the_supervisor_starts_nothing_by_itself_but_restarts_what_dies(settings: Settings) -> None:
    service = Service(name="one", about="one", command=lambda _: ["/bin/true"])
    parser = configparser.RawConfigParser()
    parser.read_string(configuration(settings, [service]))
    program = parser["program:one"]
    assert (program["autostart"], program["autorestart"]) == ("false", "true")
    assert (program["stopasgroup"], program["killasgroup"]) == ("true", "true")
    password = load_secrets(settings).supervisor.get_secret_value()
    assert parser["unix_http_server"]["password"] == password


def test_a_deep_folder_still_gets_a_socket_the_kernel_takes(tmp_path: Path) -> None:
    deep = Settings(home=tmp_path / ("long" * 30), stack="unit")
    assert len(str(supervisor_socket(deep))) < 108
    assert supervisor_socket(deep) != supervisor_socket(Settings(home=tmp_path / ("long" * 31)))


def test_kafka_listens_where_told_and_creates_no_topic_by_accident(settings: Settings) -> None:
    properties = kafka.properties(settings)
    assert properties["listeners"] == "BROKER://127.0.0.1:18099,CONTROLLER://127.0.0.1:18100"
    assert properties["auto.create.topics.enable"] == "false"


def test_kafka_never_advertises_every_interface(tmp_path: Path) -> None:
    everywhere = Settings(home=tmp_path, bind_host="0.0.0.0")
    assert kafka.properties(everywhere)["advertised.listeners"] == "BROKER://127.0.0.1:18092"


def test_redis_wants_the_password_and_never_evicts(settings: Settings) -> None:
    text = redis.configuration(settings)
    assert f"requirepass {load_secrets(settings).redis.get_secret_value()}\n" in text
    assert "maxmemory-policy noeviction\n" in text
    assert "bind 127.0.0.1\n" in text
    assert "port 18386\n" in text


def test_postgres_lets_in_one_user_by_password() -> None:
    assert postgres.access_rules().split() == ["host", "all", "millrace", "all", "scram-sha-256"]


def test_a_tenant_may_write_its_own_topics_and_read_its_own_alerts_only() -> None:
    rules = mosquitto.access_rules(["acme", "demo"])
    _, *tenants = rules.split("\n\n")
    for name, lines in zip(("acme", "demo"), tenants, strict=True):
        user, *granted = lines.strip().splitlines()
        assert user == f"user {name}"
        written = [line.removeprefix("topic write ") for line in granted if "write" in line]
        read = [line for line in granted if "write" not in line]
        assert read == [f"topic read t/{name}/+/alerts", f"topic read s/{name}/+/alerts"]
        mine = [
            f"t/{name}/d/telemetry",
            f"t/{name}/d/status",
            f"t/{name}/d/data",
            f"t/{name}/d",
            f"t/{name}/a/b/c",
        ]
        foreign = [
            f"t/{name}/d/alerts",
            f"s/{name}/d/alerts",
            "t/other/d/telemetry",
            "t",
            "$SYS/broker/log/N",
        ]
        may_write = [
            topic for topic in mine + foreign if any(topic_matches_sub(one, topic) for one in written)
        ]
        assert may_write == mine


def test_every_tenant_and_the_gateway_has_a_password() -> None:
    secrets = Secrets(mqtt_gateway=SecretStr("g"), tenant_tokens={"acme": SecretStr("a")})
    assert mosquitto.passwords(secrets) == "gateway:g\nacme:a\n"


def test_flink_has_a_slot_for_each_parallel_lane_of_each_job_and_keeps_its_checkpoints(
    settings: Settings,
) -> None:
    wide = settings.model_copy(update={"flink": settings.flink.model_copy(update={"parallelism": 5})})
    config = flink.configuration(wide)
    needed = sum(job.subtasks(5) for job in find_jobs())
    assert needed <= config["taskmanager.numberOfTaskSlots"] <= 5 * len(find_jobs())
    assert config["execution.checkpointing.dir"] == (settings.folder / "flink" / "checkpoints").as_uri()
    assert config["execution.checkpointing.externalized-checkpoint-retention"] == "RETAIN_ON_CANCELLATION"
    assert {config[key] for key in config if key.endswith(("bind-host", "bind-address"))} == {"127.0.0.1"}


def test_rocksdb_has_an_eighth_of_the_taskmanager_and_the_memory_is_set_aside(settings: Settings) -> None:
    for given, share in (("3g", "384m"), ("2048m", "256m")):
        sized = settings.flink.model_copy(update={"taskmanager_memory": given})
        config = flink.configuration(settings.model_copy(update={"flink": sized}))
        assert config["state.backend.rocksdb.memory.fixed-per-tm"] == share
        assert config["taskmanager.memory.task.off-heap.size"] == share


def test_a_memory_nobody_can_read_is_refused(settings: Settings) -> None:
    sized = settings.flink.model_copy(update={"taskmanager_memory": "lots"})
    with pytest.raises(MillraceError, match="'lots' is no size"):
        flink.configuration(settings.model_copy(update={"flink": sized}))


def test_a_private_file_is_closed_to_others_even_when_it_was_open_before(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    private_file(path, "new", "nobody-of-this-name")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("identity", "spelled"),
    [
        ("f8000000-0000-4000-8000-000000000000", "AAAAAAAAQACAAAAAAAAAAA"),
        ("07000000-0000-4000-8000-000000000000", "BwAAAAAAQACAAAAAAAAAAA"),
    ],
)
def test_a_cluster_identity_is_never_read_as_an_option(identity: str, spelled: str) -> None:
    assert kafka.cluster_id(uuid.UUID(identity)) == spelled
