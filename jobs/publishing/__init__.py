"""Carries what changed in PostgreSQL to compacted topics, where the newest record of a key counts."""
