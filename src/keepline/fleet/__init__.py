"""Simulated devices: what the firmware does, over real sockets, for demos and tests."""
