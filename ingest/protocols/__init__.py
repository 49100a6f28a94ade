"""One module per protocol: bytes in, payload and envelope out."""
