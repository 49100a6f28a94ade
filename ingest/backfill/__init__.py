"""Historical files straight into the lake: validated as by the gateway, each row once."""
