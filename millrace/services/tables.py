"""Creates and evolves the Iceberg tables that `schemas/tables/` declares."""

from millrace.stack.places import python_module
from millrace.stack.service import Service

SERVICE = Service(
    name="tables",
    about="Iceberg tables",
    module="catalog.tables",
    command=lambda _: python_module("catalog.tables"),
    needs=("postgres",),
    once=True,
)
