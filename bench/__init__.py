"""Benchmarks (`make bench`); no product file imports from here."""
