"""The gateway: validate, key, produce, acknowledge, dead-letter; knows no protocol."""
