"""Pure functions and small state machines on plain values, used by Flink, Spark, the API and tests alike."""
