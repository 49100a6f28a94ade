"""Benchmarks; no product file imports from here."""
