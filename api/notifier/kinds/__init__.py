"""The kinds of channels: each module declares one as `KIND`."""
