"""The front door: settings, clock, errors, contracts, the CLI and the local process runner."""
