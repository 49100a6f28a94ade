"""Replays recorded CSV files as live device messages."""
