"""The Iceberg catalog as PyIceberg sees it: same name, database and warehouse as Flink's and Spark's."""

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog

from millrace.secrets import load_secrets
from millrace.settings import Settings

CATALOG = "lake"
NAMESPACE = "iot"


def load_lake(settings: Settings) -> Catalog:
    """Open the catalog; its tables are made when PostgreSQL holds none yet (schema V1)."""
    password = load_secrets(settings).postgres.get_secret_value()
    return SqlCatalog(
        CATALOG,
        uri=f"postgresql+psycopg://millrace:{password}@{settings.address('postgres')}/catalog",
        warehouse=settings.warehouse,
        schema_version="v1",
    )
