"""Alert rules: what they say, how they are judged, what they say of a stream and of history."""
