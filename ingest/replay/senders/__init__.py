"""One module per way out; a sender counts only what was acknowledged."""
