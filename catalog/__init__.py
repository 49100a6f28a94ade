"""Iceberg tables: create, evolve, inspect, and the ledger over them."""
