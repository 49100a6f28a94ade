"""A real S3 server over a folder and Iceberg's own REST catalog, and settings that point at them.

What lies in a bucket is a plain file of that folder, so an oracle reads it without the S3 server.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from catalog.lake import engine_properties
from millrace.secrets import keep_secrets
from millrace.settings import Lake, Settings
from millrace.stack.places import java
from tests.integration.own_services import end, own_services, until

KEY_ID: Final = "millrace-test"
SECRET: Final = "not-told-to-anybody-4711"
WARM, COLD = "lake", "cold"
_JVM: Final = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
# The S3 server makes of System.err a log; what is logged must not go there again.
_LOG: Final = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.cacheOutputStream=true",
)


class Lakes(NamedTuple):
    """Settings of the same services with either catalog, and the folder the buckets are in."""

    rest: Settings
    jdbc: Settings
    buckets: Path

    def of(self, name: str) -> Settings:
        """Return the settings of a catalog by its name."""
        return {"rest": self.rest, "jdbc": self.jdbc}[name]

    def file(self, path: str) -> Path:
        """Return where the S3 server keeps what lies at an address."""
        return self.buckets / path.removeprefix("s3://")


@contextmanager
def lakes(home: Path, stack: str) -> Iterator[Lakes]:
    """Start PostgreSQL, Redis, the S3 server and the REST catalog, and make the buckets."""
    with own_services(home, stack, "postgres", "redis") as config, s3_server(config) as endpoint:
        keep_secrets(config, {"s3_access_key_id": KEY_ID, "s3_secret_access_key": SECRET})
        jdbc = with_lake(config, Lake(**_places("jdbc"), s3_endpoint=endpoint))
        with rest_catalog(config, endpoint) as address:
            told = {"rest_catalog": address, "s3_endpoint": endpoint, "archive": f"s3://{COLD}/rest"}
            yield Lakes(with_lake(config, Lake(**told)), jdbc, _folder(config))


def _places(name: str) -> dict[str, str]:
    return {"warehouse": f"s3://{WARM}/{name}", "archive": f"s3://{COLD}/{name}"}


def with_lake(config: Settings, lake: Lake) -> Settings:
    """Return the settings of the same stack with another lake."""
    return config.model_copy(update={"lake": lake})


def variables(config: Settings) -> dict[str, str]:
    """Return the environment of a process that is to have these settings: no key is among them."""
    lake = {f"MILLRACE_LAKE__{name.upper()}": value for name, value in config.lake.model_dump().items()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MILLRACE_", "AWS_"))}
    return kept | config.environment() | {"MILLRACE_TENANT": config.tenant} | lake


def _folder(config: Settings) -> Path:
    return config.home / "buckets"


@contextmanager
def s3_server(config: Settings) -> Iterator[str]:
    """Start an S3 server on a port that no service of this stack uses; its buckets are there."""
    endpoint = f"http://{config.address('gateway_http')}"
    for bucket in (WARM, COLD):
        (_folder(config) / bucket).mkdir(parents=True)
    told = {
        "s3proxy.endpoint": endpoint,
        "s3proxy.authorization": "aws-v2-or-v4",
        "s3proxy.identity": KEY_ID,
        "s3proxy.credential": SECRET,
        # AWS's client sends checksums along; this server checks others.
        "s3proxy.ignore-unknown-headers": "true",
        "jclouds.provider": "filesystem-nio2",
        "jclouds.filesystem.basedir": str(_folder(config)),
    }
    file = config.home / "s3proxy.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in told.items()))
    command = ["-cp", _class_path(config, "s3/*"), "org.gaul.s3proxy.Main", "--properties", str(file)]
    with _running(config, "s3", command, {}):
        until(lambda: _answers(endpoint))
        yield endpoint


@contextmanager
def rest_catalog(config: Settings, endpoint: str) -> Iterator[str]:
    """Start Iceberg's REST catalog over PostgreSQL, its tables in a bucket."""
    behind = with_lake(config, Lake(warehouse=f"s3://{WARM}/rest", s3_endpoint=endpoint))
    told = engine_properties(behind) | {"rest.port": str(config.port("gateway_metrics"))}
    environment = {_variable(name): value for name, value in told.items()}
    needed = (
        "s3/*",
        "flink/hadoop-client-api-*.jar",
        "flink/hadoop-client-runtime-*.jar",
        "flink/postgresql-*.jar",
    )
    command = ["-cp", _class_path(config, *needed), "org.apache.iceberg.rest.RESTCatalogServer"]
    address = f"http://{config.address('gateway_metrics')}"
    with _running(config, "rest", command, environment):
        until(lambda: _answers(f"{address}/v1/config"))
        yield address


def _variable(name: str) -> str:
    """Return the variable by which the server is told a property."""
    return f"CATALOG_{name.upper().replace('-', '__').replace('.', '_')}"


def _class_path(config: Settings, *more: str) -> str:
    found = [str(config.jars / "lake-servers" / "*")]
    for pattern in more:
        # Java itself knows `folder/*` only.
        names = (
            [str(config.jars / pattern)] if pattern.endswith("/*") else map(str, config.jars.glob(pattern))
        )
        found += names
    return os.pathsep.join(found)


@contextmanager
def _running(config: Settings, name: str, command: list[str], more: Mapping[str, str]) -> Iterator[None]:
    with (config.home / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [java(), *_JVM, *_LOG, *command], env=os.environ | more, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        end(process)


def _answers(address: str) -> bool:
    try:
        return httpx.get(address).status_code < httpx.codes.INTERNAL_SERVER_ERROR
    except httpx.HTTPError:
        return False
