"""The REST answer: devices, their data, the fleet's figures, health."""
