"""Computes rollups and alerts anew from `iot.readings`, aside on a branch, and publishes what differs."""
