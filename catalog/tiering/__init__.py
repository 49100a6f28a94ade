"""Moves readings to the archive when they are old, and deletes them when they are older still."""
