"""Buckets of the lake: what opens them, whether they answer, and the keys people give."""
