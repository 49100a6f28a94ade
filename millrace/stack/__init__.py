"""The local process runner: starts a stack in order, watches it, stops it without leftovers."""
