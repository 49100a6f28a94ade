"""Makes late data right: recomputes what late readings touched and publishes the difference."""
