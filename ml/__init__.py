"""Features, training, evaluation and the model registry (part of a later capability)."""
