"""What the answers are computed from: Redis today, a history tier behind the same shapes later."""
