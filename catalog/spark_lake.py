"""Opens the lake in Spark: the same catalog, name and warehouse as in PyIceberg and Flink."""

import os
import sys
from pathlib import Path
from typing import Final

from pyspark.sql import SparkSession

from catalog.lake import CATALOG, engine_properties
from millrace.bucket.jars import require_jars, s3_jars
from millrace.errors import MillraceError
from millrace.settings import Settings
from millrace.stack.places import java_home

_LOOPBACK: Final = "127.0.0.1"
_FIXED: Final = {
    "spark.master": "local[*]",
    "spark.driver.memory": "1g",
    # The default is for clusters: 200 tasks for each exchange, however little there is.
    "spark.sql.shuffle.partitions": "4",
    "spark.driver.host": _LOOPBACK,
    "spark.driver.bindAddress": _LOOPBACK,
    "spark.ui.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.sql.defaultCatalog": CATALOG,
}


def spark_session(settings: Settings) -> SparkSession:
    """Open Spark, one a process, with the lake as its default catalog.

    All of it runs in one JVM with a heap of 1 GB; MillraceError when its jars are missing.
    """
    os.environ["JAVA_HOME"] = str(java_home())
    os.environ["SPARK_LOCAL_IP"] = _LOOPBACK
    options = session_options(settings)
    spark = SparkSession.builder.appName(settings.stack).config(map={**options}).getOrCreate()
    # Not with the others: those become arguments of the JVM, and everybody on the machine can read them.
    for name, value in catalog_options(settings).items():
        spark.conf.set(name, value)
    return spark


def session_options(settings: Settings) -> dict[str, str]:
    """Return what the JVM is started with; nothing of it is secret."""
    folder = settings.folder / "spark"
    return _FIXED | {
        # Not spark.jars: Java's DriverManager finds no driver in the class loader of those.
        "spark.driver.extraClassPath": os.pathsep.join(map(str, _jars(settings))),
        "spark.local.dir": str(folder / "scratch"),
        "spark.sql.warehouse.dir": (folder / "warehouse").as_uri(),
        "spark.pyspark.python": sys.executable,
    }


def _jars(settings: Settings) -> list[Path]:
    own = sorted((settings.jars / "spark").glob("*.jar"))
    if not own:
        raise MillraceError(
            "Spark has no jars to open the lake with", where=str(settings.jars), mend="Run `make setup`."
        )
    require_jars(settings)
    return own + s3_jars(settings)


def catalog_options(settings: Settings) -> dict[str, str]:
    """Return the catalog as Spark is told it, the password among it."""
    prefix = f"spark.sql.catalog.{CATALOG}"
    told = engine_properties(settings)
    # Flink says `catalog-type` where all others say `type`.
    named = {"type" if name == "catalog-type" else name: value for name, value in told.items()}
    # Others commit while a session lives, and a table that is kept is one of the past.
    named["cache-enabled"] = "false"
    plain = {f"{prefix}.{name}": value for name, value in named.items()}
    return {prefix: "org.apache.iceberg.spark.SparkCatalog"} | plain
