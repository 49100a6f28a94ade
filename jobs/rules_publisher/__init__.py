"""Publishes every rule, as it is now, to the compacted topic `rules`."""
