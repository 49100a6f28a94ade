"""The Iceberg catalog as PyIceberg sees it: same name, database and warehouse as Flink's and Spark's."""

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.catalog.sql import SqlCatalog

from millrace.secrets import load_secrets
from millrace.settings import Settings

CATALOG = "lake"
NAMESPACE = "iot"


def load_lake(settings: Settings) -> Catalog:
    """Open the catalog; its tables are made when PostgreSQL holds none yet (schema V1)."""
    if settings.lake.rest_catalog:
        return RestCatalog(
            CATALOG, uri=settings.lake.rest_catalog, warehouse=settings.warehouse, **io_properties(settings)
        )
    password = load_secrets(settings).postgres.get_secret_value()
    return SqlCatalog(
        CATALOG,
        uri=f"postgresql+psycopg://millrace:{password}@{settings.address('postgres')}/catalog",
        warehouse=settings.warehouse,
        schema_version="v1",
        **io_properties(settings),
    )


def engine_properties(settings: Settings) -> dict[str, str]:
    """Return the same catalog as Flink and Spark are told it (`org.apache.iceberg` options).

    A warehouse in a bucket needs Iceberg's AWS bundle beside the engine's other jars.
    """
    if settings.lake.rest_catalog:
        catalog = {"catalog-type": "rest", "uri": settings.lake.rest_catalog}
    else:
        catalog = {
            "catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
            "uri": f"jdbc:postgresql://{settings.address('postgres')}/catalog",
            "jdbc.user": "millrace",
            "jdbc.password": load_secrets(settings).postgres.get_secret_value(),
            "jdbc.schema-version": "V1",
        }
    return catalog | {"warehouse": settings.warehouse} | _bucket_properties(settings)


def _bucket_properties(settings: Settings) -> dict[str, str]:
    roots = (settings.warehouse, settings.lake.archive)
    if not any(root.startswith("s3://") for root in roots):
        return {}
    endpoint = settings.lake.s3_endpoint
    own = {"s3.endpoint": endpoint, "s3.path-style-access": "true"} if endpoint else {}
    # It also opens what lies in folders, for the archive may be in a bucket alone.
    return {"io-impl": "org.apache.iceberg.io.ResolvingFileIO"} | own


def io_properties(settings: Settings) -> dict[str, str]:
    """Return what PyIceberg must know to open a bucket; keys and region it takes from the environment."""
    endpoint = settings.lake.s3_endpoint
    return {"s3.endpoint": endpoint} if endpoint else {}
