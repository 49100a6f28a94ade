"""Plans, binds and submits the jobs: environment, connectors, discovery, writers."""
