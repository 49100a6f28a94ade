"""A simulated fleet: plausible devices that speak MQTT and HTTP, one of them with a known fault."""
