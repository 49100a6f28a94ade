"""The Iceberg catalog as PyIceberg sees it: same name, database and warehouse as Flink's and Spark's."""

from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import RESTError
from sqlalchemy.exc import SQLAlchemyError

from millrace.bucket.access import in_bucket, properties
from millrace.secrets import load_secrets
from millrace.settings import Settings

CATALOG = "lake"
NAMESPACE = "iot"
# What catalog and warehouse raise while they do not answer, whichever they are.
LAKE_AWAY: Final = (SQLAlchemyError, RESTError, OSError)


def load_lake(settings: Settings) -> Catalog:
    """Open the catalog; its tables are made when PostgreSQL holds none yet (schema V1)."""
    if settings.lake.rest_catalog:
        return RestCatalog(CATALOG, **_rest(settings), **properties(settings))
    password = load_secrets(settings).postgres.get_secret_value()
    return SqlCatalog(
        CATALOG,
        uri=f"postgresql+psycopg://millrace:{password}@{settings.address('postgres')}/catalog",
        warehouse=settings.warehouse,
        schema_version="v1",
        **properties(settings),
    )


def engine_properties(settings: Settings) -> dict[str, str]:
    """Return the same catalog as Flink and Spark are told it (options of `org.apache.iceberg`), keys too."""
    if settings.lake.rest_catalog:
        catalog = {"catalog-type": "rest"} | _rest(settings)
    else:
        catalog = {
            "catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
            "uri": f"jdbc:postgresql://{settings.address('postgres')}/catalog",
            "jdbc.user": "millrace",
            "jdbc.password": load_secrets(settings).postgres.get_secret_value(),
            "jdbc.schema-version": "V1",
            "warehouse": settings.warehouse,
        }
    # It also opens what lies in folders, for the archive may be in a bucket alone.
    opener = {"io-impl": "org.apache.iceberg.io.ResolvingFileIO"} if in_bucket(settings) else {}
    return catalog | properties(settings) | opener


def _rest(settings: Settings) -> dict[str, str]:
    """Return how to reach the REST catalog.

    It knows itself where its tables lie; one with several warehouses is told which by the name it gave it.
    """
    token = load_secrets(settings).catalog_token.get_secret_value()
    named = {"warehouse": settings.lake.warehouse} if settings.lake.warehouse else {}
    return {"uri": settings.lake.rest_catalog} | named | ({"token": token} if token else {})
