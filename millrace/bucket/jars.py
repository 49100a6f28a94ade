"""Jars by which Flink and Spark open a bucket; only a stack whose lake is in one has them."""

from pathlib import Path

from millrace.bucket.access import in_bucket
from millrace.errors import MillraceError
from millrace.settings import Settings


def s3_jars(settings: Settings) -> list[Path]:
    """Return the jars, as far as they were collected."""
    return sorted((settings.jars / "s3").glob("*.jar"))


def require_jars(settings: Settings) -> None:
    """Raise MillraceError when the settings name a bucket and the jars are missing."""
    if in_bucket(settings) and not s3_jars(settings):
        raise MillraceError(
            "Flink and Spark have no jars to open a bucket with",
            where=str(settings.jars / "s3"),
            mend="Run `make setup` with these settings.",
        )
