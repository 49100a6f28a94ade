"""Publishes what PostgreSQL knows of each device to the compacted topic `device-context`."""
