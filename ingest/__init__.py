"""The way in: protocols, the gateway that validates and acknowledges, and the replay of recorded data."""
