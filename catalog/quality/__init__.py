"""Data quality: suites of checks on the tables, judged by Great Expectations a day at a time."""
