"""Keeps the Iceberg tables fit: compaction, expiry, removal of orphans, and budgets to hold them against."""
