"""Independent truth: what a replay of recorded files must leave behind, computed from the files alone."""
