"""Forgets a device: takes it out of every store, and writes a report that proves it."""
