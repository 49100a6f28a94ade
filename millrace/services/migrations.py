"""Brings the PostgreSQL schema up to date."""

from millrace.stack.places import python_module
from millrace.stack.service import Service

SERVICE = Service(
    name="migrations",
    about="PostgreSQL migrations",
    module="catalog.migrations",
    command=lambda _: python_module("catalog.migrations"),
    needs=("postgres",),
    once=True,
)
