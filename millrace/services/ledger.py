"""The ledger's writer: balances every half minute, for Prometheus and for `iot.ledger`."""

from millrace.stack.places import python_module
from millrace.stack.service import Service

SERVICE = Service(
    name="ledger",
    about="Conservation ledger",
    module="catalog.ledger_writer",
    command=lambda _: python_module("catalog.ledger_writer"),
    needs=("topics", "tables"),
)
