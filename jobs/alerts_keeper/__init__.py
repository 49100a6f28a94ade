"""Keeps the life of alerts in PostgreSQL: what the stream says of them, and who is told."""
