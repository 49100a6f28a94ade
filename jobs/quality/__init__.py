"""Looks at the quality of the tables every hour, records what it finds, and raises alerts."""
